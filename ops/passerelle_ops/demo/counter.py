"""What two pharmacies dispensed to the patient of the story, and the recall that one of them left unanswered.

The medicines are those of the starter lists. What may be seen of them, and what is wrong with the basket of the tour,
is told here from the texts and the lists, not from the program: the guided tour compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from uuid import UUID

from passerelle.audit.transactions import transaction
from passerelle.kernel.errors import Conflict
from passerelle.pharmacy import dispensing, presence, recall_delivery, recalls, records
from passerelle.pharmacy.dispensed import Dispensed, DispensedLine
from passerelle.pharmacy.presence import PresenceProof
from passerelle.pharmacy.recalls import Announced, RecallLevel
from passerelle_ops.demo.people import Part
from passerelle_ops.demo.settler import Settler, day

TAMOXIFEN, TAMOXIFEN_BATCH = "3400936476240", "TX204"
MORPHINE, MORPHINE_BATCH = "3400933323523", "SK118"
PARACETAMOL, OMEPRAZOLE, LEVOTHYROXINE, HEPATITIS_B = (
    "3400935817532",
    "3400949762064",
    "3400930066010",
    "3400935166906",
)
FLUOXETINE, AMOXICILLIN, PANTOPRAZOLE, ALPRAZOLAM = "3400949404674", "3400931587538", "3400930112106", "3400932644551"

_AGREED: Final = 60  # days ago


@dataclass(frozen=True, slots=True, kw_only=True)
class Handed:
    """One product that a pharmacy dispensed; what was sent later than dispensed has `sent_days_ago`."""

    by: Part
    days_ago: int
    cip13: str
    days: int | None = None
    batch: str | None = None
    sent_days_ago: int | None = None


HANDED: Final = (
    Handed(by=Part.PHARMACIST, days_ago=18, cip13=TAMOXIFEN, days=30, batch=TAMOXIFEN_BATCH),
    Handed(by=Part.PHARMACIST, days_ago=17, cip13=PARACETAMOL, days=8),
    Handed(by=Part.NEIGHBOUR_PHARMACIST, days_ago=25, cip13=OMEPRAZOLE, days=28),
    Handed(by=Part.NEIGHBOUR_PHARMACIST, days_ago=6, cip13=MORPHINE, days=14, batch=MORPHINE_BATCH),
    Handed(by=Part.NEIGHBOUR_PHARMACIST, days_ago=1_100, cip13=HEPATITIS_B, sent_days_ago=25),
    Handed(by=Part.NEIGHBOUR_PHARMACIST, days_ago=450, cip13=LEVOTHYROXINE, days=30, sent_days_ago=25),
)
#: Twelve months for a medicine, twenty-one years for a vaccine: of the six, the levothyroxine is out of sight.
IN_THE_WINDOW: Final = 5
OUT_OF_THE_WINDOW: Final = "LEVOTHYROX"
BASKET: Final = (FLUOXETINE, AMOXICILLIN, TAMOXIFEN, PANTOPRAZOLE, ALPRAZOLAM)
#: Fluoxetine with tamoxifen, alprazolam with the morphine that she still takes; the penicillins that the letter of the
#: surgeon tells of; twelve days of tamoxifen left; two proton pump inhibitors.
WARNINGS: Final = "1 allergie, 2 interactions, 1 renouvellement trop tôt, 1 même classe"

RECALL_REFERENCE: Final = "MED 26/D118"
_RECALLED: Final = 2


async def at_the_counter(settler: Settler, patient_id: UUID) -> None:
    """The record that the patient agreed to, what was dispensed, and the recall. What has happened does not again."""
    try:
        await _agree(settler, patient_id)
    except Conflict:  # it is open already
        return
    for each in sorted(HANDED, key=lambda handed: -(handed.sent_days_ago or handed.days_ago)):
        await _hand(settler, patient_id, each)
    await _recall(settler)


async def _agree(settler: Settler, patient_id: UUID) -> None:
    then = settler.on(_AGREED)
    async with transaction(then.context(then.professional(Part.PHARMACIST))) as act:
        await presence.attest_presence(act, patient_id, shown=PresenceProof.VITALE_CARD)
        await records.open_(act, patient_id, proof="accord donné au comptoir")


async def _hand(settler: Settler, patient_id: UUID, handed: Handed) -> None:
    then = settler.on(handed.sent_days_ago or handed.days_ago)
    line = DispensedLine(quantity=Decimal(1), cip13=handed.cip13, days=handed.days, batch=handed.batch)
    said = Dispensed(
        pharmacy_number=f"{handed.by.name}-{handed.days_ago}",
        dispensed_at=day(settler.clock, handed.days_ago),
        lines=(line,),
        prescriber_rpps=settler.cast.professionals[Part.GP].rpps,
    )
    async with transaction(then.context(then.professional(handed.by))) as act:
        await dispensing.record(act, patient_id, said)


async def _recall(settler: Settler) -> None:
    """It was delivered two days ago, nobody acknowledged it, and it was escalated a day later."""
    then = settler.on(_RECALLED)
    said = Announced(
        level=RecallLevel.URGENT,
        message="Retirer le lot du stock et joindre les patients qui l’ont reçu.",
        source="Agence (démonstration)",
        reference=RECALL_REFERENCE,
        cip13=MORPHINE,
        batches=(MORPHINE_BATCH,),
    )
    async with transaction(then.operator()) as act:
        recall = await recalls.issue(act, said)
    await recall_delivery.find_pharmacies(then.operator(), recall.recall_id, settler.directory)
    pharmacy = settler.cast.professionals[Part.NEIGHBOUR_PHARMACIST].finess
    await recall_delivery.deliver(then.operator(), recall.recall_id, pharmacy, settler.directory)
    await recall_delivery.escalate_due(settler.on(_RECALLED - 1, hour=12).operator())
