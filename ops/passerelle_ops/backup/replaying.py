"""The ledger since a backup, put back into what was restored from it, before anybody is served.

Of each row the newest word counts, by the clock of the database that noted it. Erasures come last and are carried
through: keys, words, stored contents, certificate, and what the oncology and pharmacy records had of it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import ModuleType
from typing import Any, Final
from uuid import UUID, uuid4

from passerelle.audit.transactions import transaction
from passerelle.dossier import erasure
from passerelle.dossier import restored as dossier
from passerelle.identities import patients
from passerelle.kernel.actors import Actor
from passerelle.kernel.clock import Clock
from passerelle.kernel.context import Context, Tenant
from passerelle.oncology import erasing as oncology_erasing
from passerelle.oncology import restored as oncology
from passerelle.pharmacy import erasing as pharmacy_erasing
from passerelle.pharmacy import restored as pharmacy
from passerelle_ops.backup.ledger import Entry
from passerelle_policies.vocabulary import ActorKind, DossierState, Purpose

_AT_ONCE: Final = 500
#: Who puts what back, table by table; records come late, as erasing them takes the words out of the others.
_ORDER: Final[tuple[tuple[str, ModuleType], ...]] = (
    *((each, oncology) for each in oncology.TABLES),
    *((each, pharmacy) for each in pharmacy.TABLES),
    *((each, dossier) for each in dossier.TABLES),
)
#: By what a row of each table is known.
KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "patient": ("patient_id",),
    "board_case": ("patient_id", "case_id"),
    "case_attachment": ("patient_id", "case_id", "document_id"),
    "recourse_case": ("referral_id",),
    "board_session": ("session_id",),
    "board_seat": ("session_id", "subject"),
    "board_member": ("board_id", "member_id"),
    "calendar_feed": ("feed_id",),
    "pharmacy_record": ("patient_id",),
    "block": ("block_id",),
    "document_withholding": ("withholding_id",),
    "team_exclusion": ("exclusion_id",),
    "emergency_objection": ("objection_id",),
    "heirs_objection": ("objection_id",),
    "relation": ("relation_id",),
    "team_consent": ("consent_id",),
    "care_team_member": ("team_id", "subject", "valid_from"),
    "emergency_access": ("access_id",),
    "document_mark": ("document_id", "side"),
    "document": ("document_id",),
    "erasure_request": ("request_id",),
    "dossier": ("patient_id",),
}
_SHUTTING: Final = ("block", "emergency_objection", "heirs_objection")


@dataclass(slots=True)
class Words:
    """What a ledger says since a backup: the newest word on each row, and the newest head. What was filed is not kept
    here: it may be millions (`loss`)."""

    newest: dict[str, dict[tuple[str, ...], tuple[datetime, Mapping[str, Any]]]] = field(default_factory=dict)
    head: Mapping[str, Any] | None = None
    entries: int = 0

    def shutters(self) -> dict[UUID, str | None]:
        """The patients who shut something, whatever document it is about, with their person keys."""
        rows = (said for each in _SHUTTING for _, said in self.newest.get(each, {}).values())
        states = (said for each in ("dossier", "pharmacy_record") for _, said in self.newest.get(each, {}).values())
        shut = (said for said in states if said["state"] not in ("informed", "open"))
        dead = (said for _, said in self.newest.get("patient", {}).values() if said["deceased_on"] is not None)
        return {UUID(said["patient_id"]): said.get("person_key") for said in (*rows, *shut, *dead)}

    def erased(self) -> set[str]:
        """The patients whose record was erased."""
        rows = (said for _, said in self.newest.get("dossier", {}).values())
        return {said["patient_id"] for said in rows if said["state"] == DossierState.PURGED.value}

    def narrowed(self) -> set[str]:
        """The documents that were masked, hidden or ended."""
        return {
            said["document_id"]
            for _, said in self.newest.get("document", {}).values()
            if said["status"] != "current"
            or any(said[name] for name in ("masked", "hidden_from_patient", "hidden_from_representatives"))
        }


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many rows changed, by table, how many records were erased again, and the patients registered since the backup
    whom nothing will recognise: they had no INS, what they had closed or blocked is theirs to say again."""

    changed: Mapping[str, int]
    erased: int
    unknown: tuple[str, ...] = ()


async def read(entries: AsyncIterator[Entry], keys: Mapping[str, tuple[str, ...]] = KEYS) -> Words:
    """Gather what the entries say of the tables whose rows are known by these `keys`."""
    words = Words()
    async for entry in entries:
        words.entries += 1
        words.head = entry.head or words.head
        for each in entry.narrowed:
            at, said = datetime.fromisoformat(each["at"]), each["said"]
            if said is None or each["what"] not in keys:
                continue
            key = tuple(str(said[name]) for name in keys[each["what"]])
            of_table = words.newest.setdefault(each["what"], {})
            if key not in of_table or of_table[key][0] <= at:
                of_table[key] = (at, said)
    return words


async def replay(
    tenant: Tenant, clock: Clock, words: Words, on_progress: Callable[[int, int], None] = lambda _d, _t: None
) -> Replayed:
    """Put back what narrowed. Safe to interrupt and to repeat: what is so already changes nothing."""
    context = _context(tenant, clock)
    erased = words.erased()
    total, done = sum(len(each) for each in words.newest.values()), 0
    async with tenant.database.transaction() as connection:
        unknown = await patients.remembered(connection, words.shutters(), clock.now())
    changed: dict[str, int] = {}
    for what, domain in _ORDER:
        said = [each for _, each in words.newest.get(what, {}).values()]
        for batch in _batches(said):
            async with transaction(context) as act:
                changed[what] = changed.get(what, 0) + await domain.put_back(act, what, batch)
            done += len(batch)
            on_progress(done, total)
    for patient_id in sorted(erased):
        # What the worker would do when it hears of it: nothing of it is to be served before.
        await oncology_erasing.erase(context, UUID(patient_id))
        await pharmacy_erasing.erase(context, UUID(patient_id))
        await erasure.conclude(context, UUID(patient_id))
    on_progress(total, total)
    return Replayed(
        {name: count for name, count in changed.items() if count},
        len(erased),
        tuple(sorted(str(each) for each in unknown)),
    )


def _batches(said: Sequence[Mapping[str, Any]]) -> list[Sequence[Mapping[str, Any]]]:
    return [said[at : at + _AT_ONCE] for at in range(0, len(said), _AT_ONCE)]


def _context(tenant: Tenant, clock: Clock) -> Context:
    return Context(
        tenant=tenant,
        actor=Actor(kind=ActorKind.SYSTEM, id="restore", name="Passerelle (restauration)"),
        clock=clock,
        request_id=f"restore-{uuid4().hex}",
        purpose=Purpose.ADMINISTRATION,
    )
