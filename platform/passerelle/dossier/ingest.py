"""Feeding the record from files: each comes out stored, already here, replaced, set aside or refused.

A file is read in memory (`formats`), its patient registered, its record opened where the tenant's rule lets
the feeding structure declare consent, and its documents filed: all in one transaction, so that nothing is
half-written. What a person must settle is set aside; what can never be filed is refused; either way the run
goes on. Running it again changes nothing for what was stored (author structure, uniqueId, hash), which is why a
file whose filing was cut off may simply be tried again (docs/decisions/0070).

Which identity status a file is worth: what the file says (HL7 table 0445), else what the tenant's rule says
of its INS OID (docs/decisions/0050).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from uuid import UUID, uuid4

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert as upsert
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_exponential

from passerelle.audit.transactions import Act, transaction
from passerelle.dossier import access, lifecycle, publishing
from passerelle.dossier.formats.recognise import gather, read
from passerelle.dossier.formats.submission import IncomingDocument, IncomingSubmission, PatientIdentity
from passerelle.dossier.tables import set_aside
from passerelle.identities import patients
from passerelle.identities.ins import IdentityStatus
from passerelle.kernel.actors import Actor
from passerelle.kernel.context import Context
from passerelle.kernel.errors import Conflict, PasserelleError, TryLater
from passerelle_policies.vocabulary import ActorKind

#: A replacement may come before what it replaces: these are tried again once the others are filed.
_AWAITS_ANOTHER = frozenset({"PARENT_UNKNOWN"})


class Result(StrEnum):
    STORED = "stored"
    ALREADY_HERE = "already_here"
    REPLACED = "replaced"
    SET_ASIDE = "set_aside"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one document of one file. `code`, its `kind` of failure (`kernel.errors`) and `fix` say why it
    was not filed and what to do."""

    file: str
    result: Result
    code: str | None = None
    kind: str | None = None
    fix: str | None = None
    unique_id: str | None = None
    patient_id: UUID | None = None
    document_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long one file is tried again while a component is away; `on_wait` hears of the first failure of each."""

    seconds: float = 0.0
    on_wait: Callable[[], None] = lambda: None

    def retrying(self) -> AsyncRetrying:
        """Tries again after 0.25 s, then twice as long each time, up to 5 s; raises the last `TryLater` at the end."""
        return AsyncRetrying(
            retry=retry_if_exception_type(TryLater),
            wait=wait_exponential(multiplier=0.25, max=5.0),
            stop=stop_after_delay(self.seconds),
            before_sleep=lambda state: self.on_wait() if state.attempt_number == 1 else None,
            reraise=True,
        )


async def ingest(
    context: Context, paths: Sequence[Path], *, as_author_structure: bool = False, patience: Patience | None = None
) -> AsyncIterator[Outcome]:
    """Feed files and folders, in the order of their names; one outcome for each document, once it is committed.

    `context.actor` is the structure that feeds; with `as_author_structure`, each document is fed by the
    structure that it comes from, as when an operator loads what several have sent. Never raises for what a
    file holds; `TryLater` when a component is away for longer than `patience`.
    """
    retrying = (patience or Patience()).retrying()

    async def fed(path: Path) -> list[Outcome]:
        return await retrying(ingest_path, context, path, as_author_structure=as_author_structure)

    waiting: list[Path] = []
    for path in gather(paths):
        outcomes = await fed(path)
        if _awaits_another(outcomes):
            waiting.append(path)
            continue
        for outcome in outcomes:
            yield outcome
    while waiting:
        settled = False
        for path in list(waiting):
            outcomes = await fed(path)
            if _awaits_another(outcomes):
                continue
            settled = True
            waiting.remove(path)
            for outcome in outcomes:
                yield outcome
        if not settled:
            break
    for path in waiting:
        for outcome in await fed(path):
            yield outcome


def _awaits_another(outcomes: Sequence[Outcome]) -> bool:
    return any(each.code in _AWAITS_ANOTHER for each in outcomes)


async def ingest_path(context: Context, path: Path, *, as_author_structure: bool = False) -> list[Outcome]:
    """Feed one CDA document, XDM package or PDF with its metadata, all of it or nothing."""
    try:
        submission = await asyncio.to_thread(read, path)
    except PasserelleError as unreadable:
        return [_not_filed(str(path), None, unreadable)]
    if as_author_structure:
        context = replace(context, actor=_author_structure(submission, context.actor))
    return await ingest_submission(context, submission, name=str(path))


async def ingest_submission(context: Context, submission: IncomingSubmission, *, name: str) -> list[Outcome]:
    """Feed what one file held. Conflicts are set aside and remembered; other failures are refusals."""
    try:
        async with transaction(context) as act:
            return [await _filed(act, document, submission, name) for document in submission.documents]
    except Conflict as unsettled:
        async with context.tenant.database.transaction() as connection:
            act = Act(context, connection, context.clock.now())
            for document in submission.documents:
                await _remember(act, document, unsettled.code)
        return [_not_filed(name, document, unsettled) for document in submission.documents]
    except TryLater:
        raise
    except PasserelleError as refused:
        return [_not_filed(name, document, refused) for document in submission.documents]


def _author_structure(submission: IncomingSubmission, otherwise: Actor) -> Actor:
    """The structure that a submission comes from, as the actor that feeds it."""
    structure_id = submission.documents[0].metadata.structure_id
    if structure_id is None:
        return otherwise
    return Actor(kind=ActorKind.ESTABLISHMENT, id=structure_id, name=structure_id, establishment=structure_id)


async def _filed(act: Act, document: IncomingDocument, submission: IncomingSubmission, name: str) -> Outcome:
    metadata = document.metadata
    publishing.document_type_in(act, metadata.type_code)
    status = _status(act, document)
    patient_id = await patients.register(
        act, metadata.patient.identifiers, _traits(metadata.patient), status, source=metadata.unique_id
    )
    if act.context.tenant.opens_dossier and await lifecycle.state_of(act, patient_id) is None:
        await lifecycle.open_(
            act,
            patient_id,
            basis=lifecycle.Basis.CONSENT,
            proof=f"declared by the feeding structure {act.context.actor.id} with {metadata.unique_id}",
        )
    published = await publishing.publish(act, patient_id, document, submission)
    await act.connection.execute(
        update(set_aside)
        .where(set_aside.c.sha256 == document.sha256, set_aside.c.settled_at.is_(None))
        .values(settled_at=act.now)
    )
    return Outcome(
        file=name,
        result=Result(published.filing.value),
        unique_id=metadata.unique_id,
        patient_id=patient_id,
        document_id=published.document_id,
    )


def _status(act: Act, document: IncomingDocument) -> IdentityStatus:
    """The status that the file is worth; IDENTITY_NOT_QUALIFIED when it is not enough to feed."""
    required = access.required_status(act.context)
    metadata = document.metadata
    ins = metadata.patient.ins
    said = metadata.identity_status
    if said is None and ins is not None:
        said = act.context.tenant.identity_status_when_unsaid.get(ins.oid)
    status = IdentityStatus(said) if said else IdentityStatus.PROVISIONAL
    if ins is None or not patients.trusted_as(status, required):
        raise Conflict("IDENTITY_NOT_QUALIFIED", required=required)
    return status


def _traits(identity: PatientIdentity) -> patients.Traits:
    return patients.Traits(
        family_name=identity.family_name or "",
        used_name=identity.used_name or "",
        given_names=identity.given_names,
        birth_date=identity.birth_date or "",
        sex=identity.sex or "",
        birth_place=identity.birth_place or "",
    )


def _not_filed(name: str, document: IncomingDocument | None, failure: PasserelleError) -> Outcome:
    return Outcome(
        file=name,
        result=Result.SET_ASIDE if isinstance(failure, Conflict) else Result.REFUSED,
        code=failure.code,
        kind=failure.kind,
        fix=failure.message,
        unique_id=document.metadata.unique_id if document else None,
    )


async def _remember(act: Act, document: IncomingDocument, code: str) -> None:
    seen = upsert(set_aside).values(
        set_aside_id=uuid4(),
        sha256=document.sha256,
        unique_id=document.metadata.unique_id,
        structure_id=document.metadata.structure_id,
        code=code,
        first_seen_at=act.now,
        last_seen_at=act.now,
    )
    await act.connection.execute(
        seen.on_conflict_do_update(
            index_elements=["sha256"],
            set_={"code": code, "last_seen_at": act.now, "settled_at": None},
        )
    )
