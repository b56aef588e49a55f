"""What a pharmacy may hold that a writer of JSON or of SQL trips over: products, recalls, and what became of them.

Drawn once as data, then made through the use cases in as many tenants as asked. What the rules refuse is not done.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final, TypeVar
from uuid import UUID

from passerelle.audit.transactions import Act, transaction
from passerelle.identities.directory import Directory
from passerelle.kernel.context import Context
from passerelle.kernel.errors import PasserelleError
from passerelle.pharmacy import dispensing, presence, recall_delivery, recalls, records
from passerelle.pharmacy.dispensed import Dispensed, DispensedLine
from passerelle.pharmacy.presence import PresenceProof
from passerelle.pharmacy.product_classes import ProductClass
from passerelle.pharmacy.recalls import Announced, RecallLevel
from passerelle_ops.bench._odd_records import PHARMACY, TEXTS
from passerelle_ops.bench._stage import Stage
from passerelle_ops.bench._worlds import Draw
from passerelle_policies.vocabulary import Setting

_T = TypeVar("_T")

CIPS: Final = ("3400936476240", "3400933323523", "3400935817532")
_BATCHES: Final = ("A1", " a 1", "B\"'\\2", "😀", None, None)
_QUANTITIES: Final = ("1", "0.5", "28", "1E+2", "99999.999")
_AGO: Final = (0, 1, 3, 40, 400, 1_200)


@dataclass(frozen=True, slots=True, kw_only=True)
class Handing:
    """What a pharmacy dispensed, which of it (by number) was taken back or said again, and what was recalled."""

    dispensed: Sequence[tuple[int, Sequence[DispensedLine]]]
    cancelled: int
    corrected: int
    recalled: Sequence[tuple[Announced, bool]]
    acknowledged: bool


def drawn_handing(draw: Draw, world: int) -> Handing:
    """What to hand over in a world that was played."""
    return Handing(
        dispensed=[
            (draw.choose(_AGO), [_line(draw) for _ in range(draw.choose((1, 1, 2)))])
            for _ in range(draw.choose((1, 3, 5)))
        ],
        cancelled=draw.choose(range(5)),
        corrected=draw.choose(range(5)),
        recalled=[(_recall(draw, f"{world}/{number}"), draw.choose((True, True, False))) for number in range(2)],
        acknowledged=draw.choose((True, False)),
    )


@dataclass(slots=True)
class HandedOver:
    """The ids of what came to be."""

    dispensations: list[UUID]
    recalls: list[UUID]


async def hand_over(stage: Stage, handing: Handing, directory: Directory) -> HandedOver:
    """Make it so; the record is opened at the counter, and the patient stays there for as long as that lasts."""
    made = HandedOver([], [])
    operator = stage.context("operator")
    pharmacist = replace(operator, actor=replace(stage.actor("pharmacist"), **_AT_THE_COUNTER))

    async def done(context: Context, use_case: Callable[[Act], Awaitable[_T]]) -> _T | None:
        with suppress(PasserelleError):
            async with transaction(context) as act:
                return await use_case(act)
        return None

    def said(number: int, ago: int, lines: Sequence[DispensedLine]) -> Dispensed:
        at = stage.clock.now() - timedelta(days=ago)
        return Dispensed(
            pharmacy_number=f"{stage.world}-{number}", dispensed_at=at, prescriber_name="ESSAI", lines=tuple(lines)
        )

    patient_id = stage.patient_id
    await done(pharmacist, lambda act: presence.attest_presence(act, patient_id, shown=PresenceProof.INS))
    await done(pharmacist, lambda act: records.open_(act, patient_id, proof="accord"))
    for number, (ago, lines) in enumerate(handing.dispensed):
        new = said(number, ago, lines)
        receipt = await done(pharmacist, lambda act, new=new: dispensing.record(act, patient_id, new))  # type: ignore[misc]
        if receipt is not None:
            made.dispensations.append(receipt.dispensation_id)
    cancelled = f"{stage.world}-{handing.cancelled}"
    await done(pharmacist, lambda act: dispensing.cancel(act, patient_id, cancelled, reason="erreur"))
    again = said(handing.corrected, *handing.dispensed[0])
    await done(pharmacist, lambda act: dispensing.correct(act, patient_id, again, reason="erreur"))
    for announced, is_delivered in handing.recalled:
        issued = await done(operator, lambda act, it=announced: recalls.issue(act, it))  # type: ignore[misc]
        if issued is None:
            continue
        made.recalls.append(issued.recall_id)
        await recall_delivery.find_pharmacies(operator, issued.recall_id, directory)
        if is_delivered:
            await recall_delivery.deliver(operator, issued.recall_id, PHARMACY, directory)
        # One that is urgent and unanswered would keep the pharmacy from dispensing in every world to come.
        if handing.acknowledged or announced.level is RecallLevel.URGENT:
            await done(pharmacist, lambda act, it=issued: recalls.acknowledge(act, it.recall_id))  # type: ignore[misc]
    return made


_AT_THE_COUNTER: Final[dict[str, Any]] = {"establishment": PHARMACY, "setting": Setting.PHARMACY}


def _line(draw: Draw) -> DispensedLine:
    return DispensedLine(
        quantity=Decimal(draw.choose(_QUANTITIES)),
        label=draw.choose(TEXTS)[:200] or "Produit d'essai",
        cip13=draw.choose((*CIPS, *CIPS, None)),
        product_class=draw.choose((*ProductClass, None)),
        substances=tuple(draw.choose(TEXTS)[:200] for _ in range(draw.choose((0, 1, 2)))),
        atc=draw.choose(("N02BE01", None)),
        dose_text=draw.choose((None, *TEXTS[:6])),
        days=draw.choose((None, 7, 30)),
        batch=draw.choose(_BATCHES),
        is_prescribed=draw.choose((True, False)),
    )


def _recall(draw: Draw, reference: str) -> Announced:
    cip13 = draw.choose((*CIPS, None))
    return Announced(
        level=draw.choose(list(RecallLevel)),
        message=draw.choose((TEXTS[0], TEXTS[1], TEXTS[9])),
        source="essai",
        reference=reference,
        cip13=cip13,
        batches=tuple(draw.choose(("A1", "B\"'\\2")) for _ in range(draw.choose((0, 1)))) if cip13 else (),
    )
