"""A patient's story in four networks, each with its own clock: what happens is drawn, by a carrier that loses, repeats,
delays and disorders; what was accepted is told to the `Oracle`."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import insert, select, text

from passerelle.audit.transactions import Act, transaction
from passerelle.dossier import lifecycle, reading, relations, visibility
from passerelle.dossier.tables import block, document, relation
from passerelle.identities.directory import Directory
from passerelle.kernel.actors import Actor
from passerelle.kernel.errors import Conflict, PasserelleError, Refused, TryLater
from passerelle_policies.vocabulary import ActorKind, DocumentStatus, DossierState, Relation
from passerelle_tenants.federation import keys
from passerelle_tenants.federation.addressing import address
from passerelle_tenants.federation.kinds.document_marks import DocumentMarks
from passerelle_tenants.federation.kinds.documents import Documents
from passerelle_tenants.federation.kinds.dossiers import Dossiers
from passerelle_tenants.federation.kinds.relations import Relations
from passerelle_tenants.federation.office import Office
from passerelle_tenants.federation.sending import send_due
from passerelle_tenants.federation.tables import patient_place
from passerelle_tenants.federation.taking_in import take_in
from passerelle_tenants.federation.travellers import Kinds
from tests.builders import World, ins_of, professional
from tests.builders import document as paper
from tests.conftest import Cloned
from tests.federation.oracle import HOME, Marks, Oracle, Sheet, Tie
from tests.federation.watching import Killed, Post, Watched

VISITED = ("visited1", "visited2", "visited3")
NAMES = (HOME, *VISITED)
_people = count(83_000)
_EVERYTHING = reading.DocumentFilter(statuses=[each.value for each in DocumentStatus], whole_history=True)

_CHANGES: Mapping[str, Mapping[str, Any]] = {
    "mask": {"masked": True, "hidden": False},
    "unmask": {"masked": False},
    "hide": {"hidden": True},
    "show": {"hidden": False},
    "archive": {"status": DocumentStatus.ARCHIVED},
    "unarchive": {"status": DocumentStatus.CURRENT},
    "delete": {"status": DocumentStatus.DELETED},
}
_ACTS: Mapping[str, Callable[[Act, UUID], Awaitable[Any]]] = {
    "mask": visibility.mask,
    "unmask": visibility.unmask,
    "hide": visibility.hide_from_patient,
    "show": lambda act, document_id: visibility.show_to_patient(act, document_id, confirmed=True),
    "archive": visibility.archive,
    "unarchive": visibility.unarchive,
    "delete": visibility.delete,
}
_ON_DOCUMENTS = (*("mask", "unmask") * 4, "hide", "hide", "show", *("archive", "unarchive") * 2, "delete")
_TIES: Mapping[str, Callable[[Act, UUID, str], Awaitable[Any]]] = {
    "authorize": relations.authorize,
    "withdraw": relations.withdraw_authorization,
    "block": relations.block_professional,
    "unblock": relations.unblock_professional,
}


@dataclass(slots=True)
class Story:
    """One patient's record in four networks, and what the oracle was told of it."""

    worlds: Mapping[str, World]
    directory: Directory
    clones: Mapping[str, Cloned]
    admin_url: str
    post: Post = field(default_factory=Post)
    oracle: Oracle = field(default_factory=Oracle)
    offices: dict[str, Office] = field(default_factory=dict)
    patients: dict[str, tuple[UUID, Actor]] = field(default_factory=dict)
    doctors: list[Actor] = field(default_factory=list)
    unique_ids: dict[UUID, str] = field(default_factory=dict)
    away: str | None = None
    applying: list[tuple[str, UUID]] = field(default_factory=list)
    is_killing: bool = False
    told: list[str] = field(default_factory=list)

    async def begin(self) -> None:
        """Somebody with an open record in all four, at home in the first."""
        ins = ins_of(next(_people))
        self.doctors = [professional() for _ in range(3)]
        for name in NAMES:
            self.start(name)
            self.patients[name] = await self.worlds[name].patient(ins)
            others = VISITED if name == HOME else (HOME,)
            now = self.worlds[name].clock.now()
            rows = [
                {"patient_id": self.patients[name][0], "tenant_id": each, "is_home": each == HOME, "since": now}
                for each in others
            ]
            async with self.worlds[name].tenant.database.transaction() as connection:
                await connection.execute(insert(patient_place), [{**each, "owed_at": now} for each in rows])
        luck = random.Random(0)
        for doctor in self.doctors[:2]:
            await self._tie("authorize", HOME, doctor)
        for name in (*VISITED[:2], VISITED[0]):
            await self._file(name, luck)
        await self._round()

    def start(self, name: str) -> None:
        """A new process for a network: nothing of the one before is left but its database."""
        world = self.worlds[name]
        kinds = [Watched(each, self) for each in (Dossiers(), Relations(), Documents(), DocumentMarks())]
        self.offices[name] = Office(
            tenant=world.tenant,
            directory=self.directory,
            keyring=keys.Keyring(self.directory.database, world.clock),
            kinds=Kinds(kinds),
            carrier=self.post,
            clock=world.clock,
        )

    def pass_time(self, by: timedelta) -> None:
        for each in self.worlds.values():
            each.clock.advance(by)

    # What people do.

    async def act(self, luck: random.Random) -> None:
        """Somebody tries something somewhere. What is refused is not done."""
        verb = luck.choice((*("file",) * 2, "replace", *_ON_DOCUMENTS, *_TIES, "live"))
        if self.oracle.state is DossierState.CLOSED and luck.random() < 0.5:
            verb = "live"  # little else is accepted
        name = luck.choice((HOME, HOME, HOME, *VISITED[:2], *VISITED))
        there = [each for each in self.oracle.sheets.values() if each.at(name) is not None]
        self.told.append(f"{verb} {name}")
        try:
            if verb == "file":
                await self._file(name, luck)
            elif verb in _TIES:
                await self._tie(verb, name, luck.choice(self.doctors))
            elif verb == "live":
                await self.close_or_reopen()
            elif there and verb == "replace":
                await self._replace(luck.choice(there), luck)
            elif there:
                await self._decide(verb, luck.choice(there), name)
        except (PasserelleError, KeyError) as refused:
            self.told[-1] += f": {refused!r:.60}"
        else:
            if luck.random() < 0.4:  # told at once, however long it is on its way
                await self.turn(HOME if verb == "live" else name)

    async def _file(self, name: str, luck: random.Random, before: Sheet | None = None) -> None:
        author, masked = luck.choice(self.doctors), luck.random() < 0.2
        replaces = self.unique_ids[before.document_id] if before else None
        incoming = paper(author=author, masked=masked, replaces=replaces)
        parent = before.at(name) if before else None
        document_id = await self.worlds[name].publish(self.patients[name][0], incoming)
        entry = await self._entry(name, document_id)
        assert entry is not None
        self.unique_ids[document_id] = incoming.metadata.unique_id
        self.oracle.filed(
            Sheet(
                document_id=document_id,
                network=name,
                author=author.id,
                type_code=incoming.metadata.type_code,
                chain=entry["chain_id"],
                position=entry["chain_position"],
                before=before.document_id if before else None,
                origin=[Marks(masked or bool(parent and parent.masked), bool(parent and parent.hidden))],
            )
        )

    async def _replace(self, sheet: Sheet, luck: random.Random) -> None:
        await self._file(sheet.network, luck, sheet)

    async def _decide(self, verb: str, sheet: Sheet, name: str) -> None:
        """By the patient, or whoever wrote it."""
        author = next(each for each in self.doctors if each.id == sheet.author)
        actor = self.patients[name][1] if verb in {"mask", "unmask"} else author
        before = await self._entry(name, sheet.document_id)
        changes = _CHANGES[verb]
        try:
            async with transaction(self.worlds[name].context(actor)) as act:
                await _ACTS[verb](act, sheet.document_id)
        except Conflict as refused:
            if refused.code == "MASK_DECIDED_AT_HOME":
                assert self.oracle.would_loosen(sheet.document_id, changes), "what loosens nothing was refused"
            raise
        after = await self._entry(name, sheet.document_id)
        assert before is not None
        assert after is not None
        if after["metadata_version"] > before["metadata_version"]:
            self.oracle.decided(sheet.document_id, name, changes)

    async def _tie(self, verb: str, name: str, doctor: Actor) -> None:
        patient_id, himself = self.patients[name]
        async with transaction(self.worlds[name].context(himself)) as act:
            await _TIES[verb](act, patient_id, doctor.id)
        for table, key in ((relation, "relation_id"), (block, "block_id")):
            for row in await self._rows(name, select(table).where(table.c.patient_id == patient_id)):
                kind = Relation(row["relation"]) if table is relation else None
                tie = Tie(kind, row["subject"], row["valid_from"], row["valid_until"])
                self.oracle.tied(row[key], tie)

    async def close_or_reopen(self) -> None:
        """The patient closes his record at home, or has it opened again."""
        patient_id, himself = self.patients[HOME]
        is_open = self.oracle.state is DossierState.OPEN
        async with transaction(self.worlds[HOME].context(himself)) as act:
            if is_open:
                await lifecycle.close(act, patient_id)
            else:
                await lifecycle.reopen(act, patient_id, proof="courrier")
        self.oracle.state = DossierState.CLOSED if is_open else DossierState.OPEN

    # What happens between networks.

    async def turn(self, name: str) -> None:
        """A turn of a network; one whose database is away has none."""
        try:
            await address(self.offices[name])
            await send_due(self.offices[name])
        except TryLater:
            self.post.gathered.clear()

    async def deliver(self, which: int, *, is_killed: bool = False, again: bool = False) -> None:
        """Take one envelope in; killed, its transaction ends before the commit."""
        name, envelope, tags = self.post.bag[which] if again else self.post.bag.pop(which)
        self.applying, self.is_killing = [], is_killed
        try:
            await take_in(self.offices[name], envelope)
        except Killed:
            self.start(name)
        except TryLater:
            pass
        else:
            for kind, object_id in self.applying:
                if kind == "document":
                    self.oracle.heard_at_home(object_id, tags[kind, object_id])
                elif kind == "document_marks":
                    self.oracle.heard_at_origin(object_id, tags[kind, object_id])
        finally:
            self.is_killing = False

    async def fate(self, luck: random.Random) -> None:
        """Something befalls the networks, or what goes between them."""
        bag = self.post.bag
        what = luck.choices(
            ("turn", "deliver", "lose", "repeat", "kill", "flush", "broker", "away", "wait"),
            (10, 11, 1, 3, 4, 1, 1, 1, 4),
        )[0]
        self.told.append(what)
        if what == "turn":
            await self.turn(luck.choice(NAMES))
        elif what == "wait":
            self.pass_time(timedelta(seconds=luck.choice((1, 3, 8, 15))))
        elif what == "broker":
            self.post.is_closed = not self.post.is_closed
        elif what == "away":
            await (self.leave(luck.choice(NAMES)) if self.away is None else self.come_back())
        elif what == "flush":
            bag.clear()
        elif bag:
            told = [number for number, (_, _, tags) in enumerate(bag) if tags]  # the others are mostly signs of life
            which = luck.choice(told) if told and luck.random() < 0.7 else luck.randrange(len(bag))
            if what == "lose":
                bag.pop(which)
            else:
                await self.deliver(which, is_killed=what == "kill", again=what == "repeat")

    async def leave(self, name: str) -> None:
        """A network's database lets nobody in, and puts out who is in."""
        await self._administer(name, is_open=False)
        self.away = name

    async def come_back(self) -> None:
        if self.away is not None:
            await self._administer(self.away, is_open=True)
            self.away = None

    async def _administer(self, name: str, *, is_open: bool) -> None:
        database = self.clones[name].name
        admin = await psycopg.AsyncConnection.connect(self.admin_url, autocommit=True)
        async with admin:
            await admin.execute(f"alter database {database} allow_connections {is_open}".encode())
            if not is_open:
                await admin.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", (database,)
                )

    async def settle(self) -> None:
        """No faults any more: turns and deliveries until nobody owes anything."""
        await self.come_back()
        self.post.is_closed = False
        for _ in range(12):
            self.pass_time(timedelta(minutes=6))
            await self._round()
            if not await self.owed():
                return
        raise AssertionError(f"the networks never come to rest: {await self.owed()}")

    async def _round(self) -> None:
        """A turn of each network, and all that is delivered for it."""
        for name in NAMES:
            await self.turn(name)
        while self.post.bag:
            await self.deliver(0)

    async def owed(self) -> int:
        done = 0
        for name in NAMES:
            [row] = await self._rows(
                name,
                text(
                    "select (select count(*) from federation_out where acked_version < version)"
                    " + (select count(*) from outbox where addressed_at is null) as owed"
                ),
            )
            done += row["owed"]
        return done

    # What came of it.

    async def must_agree(self) -> None:
        """Every network, and every reader at home, has what the oracle has."""
        entries = await self._rows(HOME, select(document).where(document.c.patient_id == self.patients[HOME][0]))
        assert sorted(each["document_id"] for each in entries) == sorted(self.oracle.sheets), "lost, or twice"
        at_home = {each["document_id"]: each for each in entries}
        for document_id, sheet in self.oracle.sheets.items():
            expected, kept = sheet.finally_(), await self._entry(sheet.network, document_id)
            assert kept is not None
            for each in (at_home[document_id], kept):
                found = Marks(each["masked"], each["hidden_from_patient"], DocumentStatus(each["status"]))
                assert found == expected, f"marks: {found}, {expected}"
            for column in ("hidden_until", "hidden_from_representatives", "superseded_by", "chain_position", "sha256"):
                assert at_home[document_id][column] == kept[column], column
        for name in NAMES:
            async with transaction(self.worlds[name].context(self.patients[name][1])) as act:
                state = await lifecycle.state_of(act, self.patients[name][0])
            assert state is self.oracle.state, f"the record in {name} is {state}"
        await self._told_once()
        for who in (self.patients[HOME][1], *self.doctors):
            await self._sees(who)

    async def _told_once(self) -> None:
        rows = await self._rows(
            HOME,
            text(
                "select payload ->> 'document_id' as id from outbox"
                " where name = 'dossier.document_published' and patient_id = :id"
            ).bindparams(id=self.patients[HOME][0]),
        )
        assert sorted(UUID(each["id"]) for each in rows) == sorted(self.oracle.sheets), "told more than once, or never"

    async def _sees(self, who: Actor) -> None:
        world, patient_id = self.worlds[HOME], self.patients[HOME][0]
        facts = self.oracle.facts(who, world.clock.now())
        try:
            opened = await reading.open_dossier(world.context(who), patient_id, _EVERYTHING, with_total=True)
        except Refused:
            assert not self.oracle.opens(facts), "let in by the oracle"
            return
        assert self.oracle.opens(facts), "not let in by the oracle"
        told = {UUID(each["document_id"]): DocumentStatus(each["status"]) for each in opened.page.documents}
        assert told == self.oracle.shown(who.id, facts)
        if who.kind is ActorKind.PROFESSIONAL:
            assert frozenset(opened.relations) == facts.relations

    async def _entry(self, name: str, document_id: UUID) -> Mapping[str, Any] | None:
        found = await self._rows(name, select(document).where(document.c.document_id == document_id))
        return found[0] if found else None

    async def _rows(self, name: str, statement: Any) -> Sequence[Mapping[str, Any]]:
        async with self.worlds[name].tenant.database.transaction() as connection:
            return [dict(each) for each in (await connection.execute(statement)).mappings()]
