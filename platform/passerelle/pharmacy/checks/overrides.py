"""Dispensing in spite of a warning: the pharmacist says why, and it is kept."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final
from uuid import UUID, uuid4

from sqlalchemy import insert

from passerelle.audit import outbox
from passerelle.audit.transactions import Act
from passerelle.dossier.formats import values
from passerelle.kernel.errors import InvalidInput
from passerelle.pharmacy import access
from passerelle.pharmacy.checks.checking import BasketLine, check, must_be_a_basket
from passerelle.pharmacy.checks.findings import FindingCode
from passerelle.pharmacy.tables import check_override
from passerelle_policies.vocabulary import Action, Kind

_KEY: Final = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOverridden(outbox.Event):
    """A warning was passed over; which one, and why, is read where it is kept."""

    name: ClassVar[str] = "pharmacy.check_overridden"
    override_id: UUID


async def override(
    act: Act, patient_id: UUID, finding: str, code: FindingCode, *, cip13s: Sequence[str], reason: str | None
) -> UUID:
    """Keep why what a check found is dispensed all the same; gives the id of what is kept.

    `finding` is the warning's key, `cip13s` what is dispensed: they are checked anew, which is a reading of the history
    in the journal whatever comes of it. Refused: CHECK_FINDING_INVALID for a warning that this check does not give,
    CHECK_OVERRIDE_WITHOUT_REASON, CHECK_BASKET_EMPTY, CHECK_BASKET_TOO_LONG, CIP_INVALID; VALUE_TOO_LONG,
    VALUE_MALFORMED; ACCESS_REFUSED.
    """
    if not _KEY.fullmatch(finding):
        raise InvalidInput("CHECK_FINDING_INVALID")
    said = values.text(reason, "reason")
    if said is None:
        raise InvalidInput("CHECK_OVERRIDE_WITHOUT_REASON")
    basket = [BasketLine(cip13) for cip13 in cip13s]
    must_be_a_basket(act.context, basket)
    await access.require(act, patient_id, Kind.DISPENSATION, Action.OVERRIDE)
    checked = await check(act.context, patient_id, basket)
    given = next((each for each in checked.findings if (each.key, each.code) == (finding, code)), None)
    if given is None:
        raise InvalidInput("CHECK_FINDING_INVALID")
    actor, override_id = act.context.actor, uuid4()
    await act.connection.execute(
        insert(check_override).values(
            patient_id=patient_id,
            override_id=override_id,
            finding=finding,
            code=code.value,
            products=list(dict.fromkeys(each.cip13 for each in given.products if each.place is not None)),
            reason=said,
            pharmacy=actor.establishment,
            by=actor.subject,
            by_name=actor.name,
            at=act.now,
        )
    )
    await outbox.publish(act, CheckOverridden(patient_id=patient_id, override_id=override_id))
    return override_id
