"""Two records that differ in what their reader may not know of: he is told the same, in the same order.

Over what happens in both, things happen in one of them to documents that are hidden from the reader. The frames of
both are compared whole, but for ids and instants. Whatever ends a stream ends both alike.
"""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from passerelle.audit.transactions import transaction
from passerelle.dossier import documents, visibility
from passerelle.kernel.actors import Actor
from tests import builders
from tests.gateway.records import Record, new_record
from tests.subscriptions.followers import Socket, SocketFollower, Streaming, token_of, told

Reader = Literal["doctor", "patient"]

ARRIVED = """subscription ($p: ID!) { told: documentArrived(patientId: $p) { __typename
  ... on ArrivedDocument { how document { title type { code } status masked hiddenFromPatient versionNumber } }
  ... on Problem { code message } } }"""
ACCESSED = """subscription ($p: ID!) { told: recordAccessed(patientId: $p) { __typename
  ... on JournalLine { sentence action kind allowed refusal: code why rule mode actor { kind profession { code } } }
  ... on Problem { code message } } }"""

_PUBLIC = st.sampled_from(["file", "archive", "unarchive", "replace", "open"])
_HIDDEN = st.sampled_from(["file hidden", "archive hidden", "unarchive hidden", "replace hidden", "open hidden"])
STEPS = st.lists(st.one_of(_PUBLIC, _HIDDEN), min_size=2, max_size=7)


class Happening:
    """What happens in one record."""

    def __init__(self, streaming: Streaming, record: Record, reader: Reader, doctor: Actor, colleague: Actor) -> None:
        self.world, self.record, self.doctor, self.colleague = streaming.serving.world, record, doctor, colleague
        self.hiding: dict[str, Any] = {"masked": True} if reader == "doctor" else {"hidden_from_patient": True}
        self.filed: list[tuple[UUID, str]] = []
        self.hidden: list[tuple[UUID, str]] = []

    async def file(self, title: str, *, hidden: bool, replaces: str | None = None) -> None:
        incoming = builders.document(title=title, replaces=replaces, **(self.hiding if hidden else {}))
        document = await self.world.publish(self.record.patient_id, incoming)
        among = self.hidden if hidden else self.filed
        if replaces is not None:
            among.pop()
        among.append((document, incoming.metadata.unique_id))

    async def step(self, name: str, number: int) -> None:
        what, hidden = name.removesuffix(" hidden"), name.endswith(" hidden")
        among = self.hidden if hidden else self.filed
        if what == "file" or not among:
            await self.file(f"n° {number}", hidden=hidden)
            return
        document, unique_id = among[-1]
        match what:
            case "replace":
                await self.file(f"n° {number}", hidden=hidden, replaces=unique_id)
            case "open":
                context = self.world.context(self.colleague if hidden else self.doctor)
                await documents.read_document(context, document)
            case _:
                async with transaction(self.world.context(self.world.feeder)) as act:
                    await (visibility.archive if what == "archive" else visibility.unarchive)(act, document)


async def _colleague(streaming: Streaming, *records: Record) -> Actor:
    """Another doctor whom the patients authorised: he sees what awaits its announcement."""
    actor, _ = await streaming.serving.professional()
    for each in records:
        await streaming.serving.world.authorize(each.patient_id, each.person, actor)
    return actor


async def _followed(socket: Socket, query: str, record: Record) -> SocketFollower:
    follower = await socket.subscribe({"query": query, "variables": {"p": record.id}})
    assert (await told(follower))["__typename"] == "Listening"
    return follower


async def _until(follower: SocketFollower, last: dict[str, Any]) -> list[dict[str, Any]]:
    frames = []
    while True:
        frames.append(await follower.next())
        told_now = frames[-1]["data"]["told"]
        if last.items() <= {**told_now, **(told_now.get("document") or {})}.items():
            return frames


@settings(max_examples=5)
@given(steps=STEPS)
async def test_a_doctor_is_told_the_same_of_both(server: Streaming, steps: list[str]) -> None:
    one, other = await new_record(server.serving), await new_record(server.serving, authorized=False)
    await server.serving.world.authorize(other.patient_id, other.person, one.doctor_actor)
    happenings = [Happening(server, each, "doctor", one.doctor_actor, each.person) for each in (one, other)]
    async with server.socket() as socket:
        await socket.begin(token_of(one.doctor))
        followers = [await _followed(socket, ARRIVED, each) for each in (one, other)]
        for number, step in enumerate(steps):
            for each in happenings[:1] if step.endswith("hidden") else happenings:
                await each.step(step, number)
        for each in happenings:
            await each.file("fin", hidden=False)
        first, second = [await _until(each, {"title": "fin"}) for each in followers]
    assert first == second


@settings(max_examples=5)
@given(steps=STEPS)
async def test_a_patient_is_told_the_same_of_both(server: Streaming, steps: list[str]) -> None:
    """Of documents and of his journal alike: who filed, changed or read what he is not to know of yet."""
    records = [await new_record(server.serving) for _ in range(2)]
    colleague = await _colleague(server, *records)
    happenings = [Happening(server, each, "patient", each.doctor_actor, colleague) for each in records]
    shown: list[list[list[dict[str, Any]]]] = []
    async with server.socket() as socket, server.socket() as second:
        followers = []
        for connection, each in zip((socket, second), records, strict=True):
            await connection.begin(token_of(each.patient))
            # Documents last: being told of one writes a line of the journal.
            followers.append([await _followed(connection, query, each) for query in (ACCESSED, ARRIVED)])
        for number, step in enumerate(steps):
            for happening in happenings[:1] if step.endswith("hidden") else happenings:
                await happening.step(step, number)
        for happening, (accesses, arrivals) in zip(happenings, followers, strict=True):
            await happening.file("fin", hidden=False)
            documents_told = await _until(arrivals, {"title": "fin"})
            await server.serving.world.journal(happening.record.person, happening.record.patient_id)
            shown.append([documents_told, sorted(await _until(accesses, {"kind": "journal"}), key=str)])
    assert shown[0] == shown[1]
