"""The tumour board of the story's hospital: who sits on it, its next session, and the case of Jeanne Valmont there.

The surgeon, the radiologist and the oncologist sit; nobody is a radiotherapist, so that the forecast of the session
names who is missing. In another network, experts meet whom the tour asks for their opinion. What each may see of it is
told here from the texts, and the guided tour compares.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Final
from uuid import UUID

from passerelle.audit.transactions import transaction
from passerelle.dossier.team_consents import InformedHow
from passerelle.kernel.actors import Actor
from passerelle.kernel.context import Context
from passerelle.kernel.errors import Conflict
from passerelle.oncology import attachments, boards, cases, members, sessions, sheets
from passerelle.oncology.boards import BoardKind, BoardScope, Charter, Declared
from passerelle.oncology.cases import Registration
from passerelle.oncology.members import Appointed, Duty
from passerelle_ops.demo.people import Part
from passerelle_ops.demo.settler import Settler, day
from passerelle_policies.vocabulary import ActorKind

_MEMBERS: Final = (
    (Part.SURGEON, Duty.MEMBER),
    (Part.RADIOLOGIST, Duty.MEMBER),
    (Part.SECRETARY, Duty.SECRETARY),
)
NAME: Final = "RCP de sénologie"
EXPERTS_TENANT: Final = "oncopl"
EXPERTS: Final = "RCP de recours"
_BREAST: Final = "76752008"
_DECLARED, _PLANNED, _OPENED = 90, 20, 3  # days ago
MEETS_IN: Final = 4
"""Days from now to the session."""
ATTACHED: Final = ("mammographie", "operation")
"""The documents of the story that are attached to the case, by their keys."""
MISSING: Final = "RADIOTHERAPIST"
"""Since 2023 a standard board has a surgeon, a medical oncologist and a radiotherapist."""


async def meet(settler: Settler, patient_id: UUID, filed: Mapping[str, UUID]) -> None:
    """The board, its session and the case. What has happened does not again."""
    try:
        session = await _session(settler, NAME, BoardKind.STANDARD)
    except Conflict:  # BOARD_EXISTS
        return
    said = Registration(
        question="Patiente opérée, suites simples : quel traitement adjuvant ?",
        informed_at=day(settler.clock, _OPENED + 1),
        informed_how=InformedHow.INTERVIEW,
        agreed=True,
    )
    opened = settler.on(_OPENED)
    async with transaction(opened.context(opened.professional(Part.ONCOLOGIST))) as act:
        case = await cases.register(act, patient_id, session, said)
        await sheets.begin(act, case.case_id)  # before anything is attached: begun, it would read that
        for key in ATTACHED:
            await attachments.attach(act, case.case_id, filed[key])


async def convene_experts(settler: Settler) -> None:
    """The board of another network, and its session."""
    with suppress(Conflict):  # BOARD_EXISTS
        await _session(settler, EXPERTS, BoardKind.RECOURSE)


async def _session(settler: Settler, name: str, kind: BoardKind) -> UUID:
    """A board, and its next session, which is open."""
    board_id = await _declared(settler, name, kind)
    planned, opened = settler.on(_PLANNED), settler.on(_OPENED)
    starts = day(settler.clock, -MEETS_IN) + timedelta(hours=9)
    async with transaction(planned.context(planned.professional(Part.ONCOLOGIST))) as act:
        session = await sessions.plan(act, board_id, starts, place="Salle de staff, bâtiment B")
    async with transaction(opened.context(opened.professional(Part.ONCOLOGIST))) as act:
        await sessions.open_(act, session.session_id)
    return session.session_id


async def _declared(settler: Settler, name: str, kind: BoardKind) -> UUID:
    then = settler.on(_DECLARED)
    declared = Declared(
        name=name,
        kind=kind,
        scope=BoardScope.ORGAN,
        organ=_BREAST,
        charter=Charter(duration_minutes=120, recurrence="FREQ=WEEKLY;BYDAY=TH", videoconference=True),
    )
    async with transaction(then.context(then.professional(Part.ONCOLOGIST))) as act:
        board = await boards.declare(act, declared)
        for part, duty in _MEMBERS:
            await members.appoint(act, board.board_id, Appointed(rpps=settler.cast.professionals[part].rpps, duty=duty))
    async with transaction(_network(then)) as act:
        await boards.validate(act, board.board_id)
    return board.board_id


def _network(settler: Settler) -> Context:
    name = "Réseau de cancérologie (démonstration)"
    return settler.context(Actor(kind=ActorKind.NETWORK, id=settler.tenant.id, name=name))
