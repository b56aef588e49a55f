"""`overrideCheck`: a warning passed over, with a reason that is kept."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any
from uuid import uuid4

from sqlalchemy import insert, select

from passerelle.pharmacy.tables import check_override
from tests.gateway.checks.counter import (
    CLARITHROMYCIN,
    SIMVASTATIN,
    Counter,
    at_counter,
    box,
)
from tests.gateway.records import send
from tests.pharmacy.lines import PHARMACY


async def test_a_warning_is_passed_over_with_a_reason_that_is_kept(counter: Counter) -> None:
    said = await counter.checked(SIMVASTATIN, CLARITHROMYCIN)
    finding = said["findings"][0]
    cip13s = [each["cip13"] for each in finding["products"]]
    over = partial(
        send,
        operation="OverrideCheck",
        patientId=counter.id,
        finding=finding["key"],
        code=finding["code"],
        cip13s=cip13s,
    )
    for who, wrong, code in (
        (counter.pharmacist, {"reason": "  "}, "CHECK_OVERRIDE_WITHOUT_REASON"),
        (counter.pharmacist, {"reason": "x", "finding": "autre"}, "CHECK_FINDING_INVALID"),
        (counter.pharmacist, {"reason": "x", "finding": "0" * 32}, "CHECK_FINDING_INVALID"),
        (counter.pharmacist, {"reason": "x", "code": "ALLERGY"}, "CHECK_FINDING_INVALID"),
        (counter.pharmacist, {"reason": "x", "cip13s": cip13s[:1]}, "CHECK_FINDING_INVALID"),
        (counter.pharmacist, {"reason": "x", "cip13s": []}, "CHECK_BASKET_EMPTY"),
        (counter.pharmacist, {"reason": "x", "cip13s": ["3400900000007"]}, "CIP_INVALID"),
        (counter.town, {"reason": "vu avec le prescripteur"}, "ACCESS_REFUSED"),
    ):
        assert (await over(who, **wrong))["code"] == code
    assert await _overrides(counter) == []
    assert (await counter.checked(SIMVASTATIN, CLARITHROMYCIN))["findings"][0]["override"] is None

    done = await over(counter.pharmacist, reason="vu avec le prescripteur")
    assert done == {"__typename": "CheckOverridden", "finding": finding["key"]}
    (kept,) = await _overrides(counter)
    assert (kept.reason, kept.pharmacy, kept.products) == ("vu avec le prescripteur", PHARMACY, cip13s)
    again = (await counter.checked(CLARITHROMYCIN, SIMVASTATIN))["findings"][0]
    assert again["key"] == finding["key"]
    assert again["override"]["reason"] == "vu avec le prescripteur"
    lines = await counter.serving.world.journal(counter.person, counter.patient_id)
    assert [each.outcome for each in lines if each.action == "override"] == ["allowed", "refused"]


async def test_a_warning_of_the_history_is_passed_over_only_for_the_patient_who_has_it(counter: Counter) -> None:
    """And whoever tries keys to learn what a patient takes leaves a reading in the journal."""
    await counter.took(SIMVASTATIN, 5, 28)
    finding = (await counter.checked(CLARITHROMYCIN))["findings"][0]
    another = await at_counter(counter.serving)
    said = {"finding": finding["key"], "code": finding["code"], "cip13s": [await box(counter.serving, CLARITHROMYCIN)]}
    refused = await send(another.pharmacist, "OverrideCheck", patientId=another.id, **said, reason="x")
    assert refused["code"] == "CHECK_FINDING_INVALID"
    assert await _overrides(another) == []
    lines = await counter.serving.world.journal(another.person, another.patient_id)
    assert [each.action for each in lines if each.actor_id == another.pharmacist_actor.id] == ["check"]
    done = await send(counter.pharmacist, "OverrideCheck", patientId=counter.id, **said, reason="x")
    assert done["__typename"] == "CheckOverridden"
    assert [each.products for each in await _overrides(counter)] == [said["cip13s"]]


async def test_what_was_overridden_long_ago_does_not_tell_of_the_storage_tail(counter: Counter) -> None:
    await counter.took(SIMVASTATIN, 5, 28)
    finding = (await counter.checked(CLARITHROMYCIN))["findings"][0]
    now = counter.serving.world.clock.now()
    for days_ago, shown in ((366, None), (365, "vu avec le prescripteur")):
        async with counter.serving.world.tenant.database.transaction() as connection:
            kept = {
                "patient_id": counter.patient_id,
                "override_id": uuid4(),
                "finding": finding["key"],
                "code": "CHECK_INTERACTION",
                "products": [],
                "reason": "vu avec le prescripteur",
                "pharmacy": PHARMACY,
                "by": "professional:essai",
                "by_name": "Essai",
                "at": now - timedelta(days=days_ago),
            }
            await connection.execute(insert(check_override).values(kept))
        override = (await counter.checked(CLARITHROMYCIN))["findings"][0]["override"]
        assert (override and override["reason"]) == shown


async def _overrides(counter: Counter) -> list[Any]:
    async with counter.serving.world.tenant.database.transaction() as connection:
        found = await connection.execute(
            select(check_override).where(check_override.c.patient_id == counter.patient_id)
        )
        return list(found.all())
