"""What a network answers to another, by its own decision: a patient's record at home, a content that is kept here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from passerelle.audit import journal
from passerelle.audit.transactions import transaction
from passerelle.dossier import documents, reading
from passerelle.identities import patients
from passerelle.identities.ins import Ins
from passerelle.kernel.context import Context
from passerelle.kernel.errors import InvalidInput, PasserelleError
from passerelle_tenants.federation import manifest, questions
from passerelle_tenants.federation.office import Office
from passerelle_tenants.federation.questions import CONTENT, RECORD, Question


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A sealed answer, and the octets that follow it, in clear: the way between two networks is TLS."""

    envelope: bytes
    octets: AsyncIterator[bytes] | None = field(default=None)


#: Answers a question in the name of a network: raises `InvalidInput` NETWORK_UNKNOWN, and what `answer` raises.
Answers: TypeAlias = Callable[[str, bytes], Awaitable[Answer]]


async def nobody_answers(_tenant_id: str, _question: bytes) -> Answer:
    """Where no federation is bound."""
    raise InvalidInput("NETWORK_UNKNOWN")


async def answer(office: Office, envelope: bytes) -> Answer:
    """Answer a question. Raises `envelopes.Unopened` for what is none, `Refused` ACTOR_UNKNOWN_HERE.

    What the rules refuse is an answer too, the same for a patient or a document that is not here.
    """
    question = await questions.opened(office, envelope)
    octets: AsyncIterator[bytes] | None = None
    try:
        if question.what == RECORD:
            said = await _record(question)
        elif question.what == CONTENT:
            said, octets = await _content(question)
        else:
            raise InvalidInput("QUESTION_UNKNOWN")
    except PasserelleError as refused:
        said, octets = {"refused": refused.code, "kind": refused.kind}, None
    sealed = await questions.answered(office, question.bundle_id, question.from_tenant, said)
    return Answer(envelope=sealed, octets=octets)


async def _record(question: Question) -> dict[str, Any]:
    context, said = question.context, question.said
    patient_id = await _patient(context, said["patient"])
    opened = await reading.open_dossier(
        context,
        patient_id,
        _filter(said["filter"]),
        first=said["first"],
        after=said["after"],
        with_total=bool(said["with_total"]),
    )
    page = opened.page
    return {
        "documents": page.documents,
        "has_next": page.has_next,
        "total": page.total,
        "since": _instant(page.since),
        "parts": [
            {"network": each.network, "name": each.name, "state": each.state.value, "as_of": _instant(each.as_of)}
            for each in await manifest.sources_of(context, patient_id)
        ],
    }


async def _content(question: Question) -> tuple[dict[str, Any], AsyncIterator[bytes] | None]:
    said = question.said
    opened = await documents.open_content(question.context, UUID(said["document"]), continues=bool(said["continues"]))
    about = {name: opened.document[name] for name in ("mime_type", "sha256")}
    # Who asks about it alone is not sent, nor has it fetched, a single octet.
    octets = None if said["stop"] == 0 else opened.read(int(said["start"]), said["stop"])
    return {**about, "size": opened.size}, octets


async def _patient(context: Context, said: Mapping[str, str]) -> UUID:
    """Whom the question is about. Who is nobody here is decided upon all the same, and refused by the same statements,
    words and line of the journal as a record that is closed to the actor."""
    ins = Ins(said["oid"], said["value"])
    async with transaction(context) as act:
        found = await patients.of_person(act, patients.person_key(context, ins))
    return found or journal.NOBODY


def _filter(said: Mapping[str, Any]) -> reading.DocumentFilter:
    return reading.DocumentFilter(
        **{
            **said,
            **{name: datetime.fromisoformat(said[name]) for name in ("since", "until") if said.get(name) is not None},
        }
    )


def _instant(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
