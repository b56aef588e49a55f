"""The compiler and the reference side by side: the same world in two databases, the same operation asked of each.

What is compared: status, headers and octets of the answer, then every column of the lines that it wrote into the
journal but those that differ between any two readings.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeAlias

from graphql import GraphQLSchema
from sqlalchemy import text

from passerelle.identities.directory import Directory
from passerelle.kernel.database import Database
from passerelle_graphql.compiler.building import NotCompiled
from passerelle_graphql.compiler.plans import Plans
from passerelle_graphql.execution import Executor
from passerelle_graphql.ids import Node, line_cursor, node_id, place_cursor
from passerelle_graphql.limits import Limits
from passerelle_graphql.metrics import OPERATIONS
from passerelle_graphql.preparation import Preparation, RequestErrors
from passerelle_graphql.requests import Parameters
from passerelle_graphql.schema import ROOTS, schema
from passerelle_ops.bench._drawn_arguments import Known
from passerelle_ops.bench._drawn_operations import Operation
from passerelle_ops.bench._odd_dispensing import CIPS, HandedOver, drawn_handing, hand_over
from passerelle_ops.bench._odd_records import PHARMACY, STRUCTURES, TEXTS, Made, add, drawn_oddity, register_places
from passerelle_ops.bench._questions import GRAPHQL, TENANT, Answer, Question, ask, operation
from passerelle_ops.bench._stage import RPPS, Stage, ins_of
from passerelle_ops.bench._twins import CROSSED, READERS, Reader, Twins, twins_over
from passerelle_ops.bench._worlds import CAST, CITIZENS, TYPES, Draw, drawn_plot
from passerelle_ops.demo.issuer import Practice
from passerelle_policies.vocabulary import Mode

GRAPH: Final[GraphQLSchema] = schema._schema
#: The read roots that compile, those that show most more often.
_OFTEN: Final = {"dossier": 6, "document": 4, "journal": 4, "authorizations": 2}
NAMES: Final = tuple(each.name for each in ROOTS for _ in range(_OFTEN.get(each.name, 1)))
#: Who asks: those who are let in, often; everybody in every mode; the network's data-protection officer.
ASKING: Final[Sequence[Reader]] = (
    *(("patient", Mode.NORMAL),) * 24,
    *(("gp", Mode.NORMAL),) * 12,
    *READERS,
    *(("oncologist", Mode.BREAK_GLASS),) * 4,
    *(("officer", Mode.NORMAL),) * 2,
)
#: Whom a root is for, where few are let in.
_FOR: Final[Mapping[str, str]] = {
    **dict.fromkeys(("journalSearch", "unusualAccesses", "emergenciesToReview"), "officer"),
    **dict.fromkeys(("recalls", "concernedPatients", "dispensingHistory", "dispensingChecks"), "pharmacist"),
    "recallFollowUp": "authority",
}
#: What two readings of the same differ in.
_OWN: Final = frozenset({"line_id", "request_id", "transaction_id"})
_CURSOR: Final = re.compile(rb'"([A-Za-z0-9_-]{12}|[A-Za-z0-9_-]{23})"')
_PLACES: Final = 20
_Lines: TypeAlias = list[dict[str, Any]]


def drawn_reader(draw: Draw, asked: str) -> Reader:
    """Who asks an operation: more often than not somebody whom it is for."""
    among = [(who, Mode.NORMAL) for root, who in _FOR.items() if root in asked]
    return draw.choose(draw.choose((among, among, ASKING))) if among else draw.choose(ASKING)


@dataclass(frozen=True, slots=True)
class Ground:
    """One world, in both databases. `lines`: the cursors that the first gave, each with that of the second."""

    stages: Sequence[Stage]
    known: Known
    lines: Mapping[bytes, bytes] = field(default_factory=dict)

    def said_to_reference(self, body: bytes) -> bytes:
        """A question with the cursors of the second: what a side rolled back leaves gaps in its own journal."""
        if not self.lines:
            return body
        return re.sub(b"|".join(map(re.escape, self.lines)), lambda found: self.lines[found[0]], body)


@dataclass(frozen=True, slots=True)
class Difference:
    """An operation that was not answered alike, by whom it was asked, and what the two sides gave."""

    reader: Reader
    operation: Operation
    compiled: object
    reference: object

    def __str__(self) -> str:
        who, mode = self.reader
        return (
            f"{who} ({mode}): {self.operation.text}\n{json.dumps(self.operation.variables, ensure_ascii=False)}"
            f"\ncompiled:  {self.compiled}\nreference: {self.reference}"
        )


@dataclass(slots=True)
class Tally:
    """What was asked so far.

    `valid` are the operations that may run, `compiled` those of them that have a plan, `reasons` those of the rest.
    `answered` counts the answers by executor and reason: that depends on who asks, too. `failed` are answers that no
    client should ever see.
    """

    examples: int = 0
    valid: int = 0
    compiled: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)
    failed: int = 0
    answered: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def share(self) -> float:
        return self.compiled / self.valid if self.valid else 1.0

    def add(self, other: Tally) -> None:
        self.examples += other.examples
        self.valid += other.valid
        self.compiled += other.compiled
        self.reasons += other.reasons
        self.differences += other.differences
        self.failed += other.failed
        self.answered += other.answered


@dataclass(slots=True)
class Alike:
    """Two sides that are asked the same."""

    twins: Twins
    directory: Directory
    tally: Tally = field(default_factory=Tally)
    _preparation: Preparation = field(default_factory=lambda: Preparation(schema, Limits(), introspection=False))
    _plans: Plans = field(default_factory=lambda: Plans(schema, ROOTS, kept=256))
    _last: list[int] = field(default_factory=lambda: [0, 0])
    _ranks: tuple[dict[bytes, bytes], dict[bytes, bytes]] = field(default_factory=lambda: ({}, {}))
    _asked: int = 0

    async def begin(self, world: int, draw: Draw, *, length: int = 8) -> Ground:
        """A world, played in both, with odd texts in it."""
        twins, plot = self.twins, drawn_plot(draw, length)
        twins.clock.set(twins.began)
        stages = [Stage(each, twins.clock, world, plot.born, before=twins.ids.about) for each in twins.tenants]
        for stage in stages:
            await stage.begin()
        await twins.play(stages, [each for each in plot.steps if each.verb != "announce"])
        oddity, made = drawn_oddity(draw, stages[0]), []
        handing, handed = drawn_handing(draw, world), []
        now = twins.clock.now()
        for stage in stages:
            twins.clock.set(now)
            twins.ids.about(f"{world}/odd")
            made.append(await add(stage, oddity))
            handed.append(await hand_over(stage, handing, self.directory))
        if made[0] != made[1] or handed[0] != handed[1]:
            raise ValueError("the sides parted before anything was asked")
        ground = Ground(stages, self._known(stages[0], made[0], handed[0]))
        await self._lines()
        return await self._with_cursors(ground)

    async def compare(self, ground: Ground, reader: Reader, asked: Operation) -> Difference | None:
        """Ask both; what differs, if anything."""
        twins, tally = self.twins, self.tally
        twins.clock.advance(timedelta(minutes=1))
        tally.examples += 1
        self._count(asked)
        body = {"query": asked.text, "variables": dict(asked.variables), "operationName": asked.name}
        question = Question("POST", GRAPHQL, json.dumps(body).encode(), (("content-type", "application/json"),))
        before = _counted()
        answers = await self._answers(ground, reader, question)
        tally.answered += _counted() - before
        lines = await self._lines()
        tally.failed += any(each.status >= 500 or b'"INTERNAL"' in each.body for each in answers)
        shown = [_comparable(each, ranks) for each, ranks in zip(answers, self._ranks, strict=True)]
        found: tuple[object, object] | None = None
        if shown[0] != shown[1]:
            found = (shown[0], shown[1])
        elif lines[0] != lines[1]:
            found = (lines[0], lines[1])
        if found is None:
            return None
        difference = Difference(reader, asked, *found)
        tally.differences.append(str(difference))
        return difference

    async def _answers(self, ground: Ground, reader: Reader, question: Question) -> list[Answer]:
        headers = self._headers(ground.stages[0], reader)
        self._asked += 1
        answers = []
        for side, (apps, executor) in enumerate(zip(self.twins.apps, CROSSED, strict=True)):
            self.twins.ids.about(f"ask/{self._asked}")
            said = question if side == 0 else replace(question, body=ground.said_to_reference(question.body))
            answers.append(await ask(apps[executor], said, headers))
        return answers

    def _count(self, asked: Operation) -> None:
        try:
            given = Parameters(query=asked.text, variables=asked.variables, operation_name=asked.name)
            prepared = self._preparation.prepare(given)
        except RequestErrors:
            return
        self.tally.valid += 1
        try:
            self._plans.plan(prepared)
        except NotCompiled as reason:
            self.tally.reasons[str(reason)] += 1
        else:
            self.tally.compiled += 1

    async def skip_lines(self) -> None:
        """Leave out what the journals hold so far."""
        for side, tenant in enumerate(self.twins.tenants):
            async with tenant.database.transaction() as connection:
                last = await connection.scalar(text("select coalesce(max(line_id), 0) from journal"))
            self._last[side] = int(last or 0)

    async def _lines(self) -> list[list[str]]:
        """What was written into both journals since, line by line as they can be compared."""
        found: list[list[str]] = []
        for side, tenant in enumerate(self.twins.tenants):
            async with tenant.database.transaction() as connection:
                said = text("select * from journal where line_id > :last order by line_id")
                rows = (await connection.execute(said, {"last": self._last[side]})).mappings().all()
            for each in rows:
                self._last[side] = each["line_id"]
                ranks = self._ranks[side]
                ranks[line_cursor(each["line_id"]).encode()] = b"line %d" % len(ranks)
                ranks[place_cursor(each["at"], each["line_id"]).encode()] = b"place %d" % len(ranks)
            # The roots of one operation run at once in the reference.
            found.append(sorted(_line(dict(each)) for each in rows))
        return found

    # What there is to ask about, and who asks.

    def _known(self, stage: Stage, made: Made, handed: HandedOver) -> Known:
        matricules = [(ins.oid, ins.value) for ins in (ins_of(stage.world, each) for each in CITIZENS)]
        oid, value = matricules[0]
        return Known(
            patients=[node_id(Node.PATIENT, each) for each in (*(stage.patient_id,) * 20, *made.people)],
            documents=[node_id(Node.DOCUMENT, each) for each in (*stage.documents.values(), *made.documents)],
            teams=[node_id(Node.TEAM, each) for each in made.teams],
            pages=[],
            lines=[],
            places=[],
            handed=[],
            recalls=[node_id(Node.RECALL, each) for each in handed.recalls],
            products=CIPS,
            matricules=[*matricules, *matricules, (oid, value[:13]), (oid, "1" * 15), ("1.2.3", value)],
            professionals=list(RPPS.values()),
            types=list(TYPES),
            structures=list(STRUCTURES),
            names=[("ESSAI", stage.born), ("éssai", stage.born), (TEXTS[0], "1980")],
        )

    async def _with_cursors(self, ground: Ground) -> Ground:
        known = ground.known
        reader: Reader = ("patient", Mode.NORMAL)
        everything = {"statuses": ["CURRENT", "SUPERSEDED", "ARCHIVED"], "wholeHistory": True}
        cursors: list[list[list[bytes]]] = []
        whose = {"patientId": known.patients[0]}
        for question in (
            operation("OpenDossier", **whose, filter=everything),
            operation("OpenPharmacyRecord", **whose),
            operation("Journal", **whose, first=50),
        ):
            answers = await self._answers(ground, reader, question)
            lines = await self._lines()
            shown = [_comparable(each, ranks) for each, ranks in zip(answers, self._ranks, strict=True)]
            if shown[0] != shown[1] or lines[0] != lines[1]:
                raise ValueError(f"the sides parted at a committed operation:\n{shown[0]}\n{shown[1]}\n{lines}")
            cursors.append([re.findall(rb'"cursor":"([^"]+)"', each.body) for each in answers])
        (pages, _), (handed, _), (given, own) = cursors
        places, others = (
            [cursor for cursor, rank in ranks.items() if rank.startswith(b"place")][-_PLACES:] for ranks in self._ranks
        )
        known = replace(
            known,
            pages=[each.decode() for each in pages],
            lines=[each.decode() for each in given],
            places=[each.decode() for each in places],
            handed=[each.decode() for each in handed],
        )
        return replace(ground, known=known, lines=dict(zip([*given, *places], [*own, *others], strict=True)))

    def _headers(self, stage: Stage, reader: Reader) -> list[tuple[str, str]]:
        who, mode = reader
        place = PHARMACY if who == "pharmacist" else STRUCTURES[0]
        issuer, name = self.twins.issuer, TEXTS[(self._asked * 7) % len(TEXTS)].strip() or "ESSAI"
        self.twins.ids.about("token")
        if who == "officer":
            token = issuer.mint_officer(network=TENANT, family_name=name, given_name="Dominique")
        elif who == "authority":
            token = issuer.mint_authority(network=TENANT, name=name)
        elif who in CITIZENS:
            ins = ins_of(stage.world, who)
            token = issuer.mint_person(oid=ins.oid, value=ins.value, family_name=name, given_name="Alix")
        elif self._asked % 3 == 0 and mode is Mode.NORMAL:
            token = issuer.mint_software(
                client_id="essai",
                software=f"Logiciel {name}",
                version="1",
                structure=place,
                rpps=RPPS[who],
                family_name=name,
                given_name="Dominique",
                profession=CAST[who].profession or "",
            )
        else:
            token = issuer.mint_professional(
                rpps=RPPS[who],
                family_name=name,
                given_name="Dominique",
                profession=CAST[who].profession or "",
                practices=[Practice(finess=place, name=name)] if self._asked % 2 else [],
                may_regulate=mode is Mode.REGULATION_CENTRE,
            )
        return [("authorization", f"Bearer {token}"), ("passerelle-mode", mode.value)]


def _comparable(answer: Answer, ranks: Mapping[bytes, bytes]) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """An answer in which lines of the journal are told by their rank: their numbers leave gaps where a transaction
    was rolled back."""
    headers = [each for each in answer.headers if each[0] != b"content-length"]
    body = _CURSOR.sub(lambda found: b'"%s"' % ranks.get(found[1], found[1]), answer.body)
    return answer.status, headers, body


def _counted() -> Counter[tuple[str, str]]:
    """The answers of the side that compiles so far, by executor and reason: the reference says none."""
    found = Counter[tuple[str, str]]()
    for (executor, reason), number in OPERATIONS.counted.items():
        if executor == Executor.COMPILED or reason:
            found[executor, reason] = number
    return found


def _line(line: dict[str, Any]) -> str:
    # Relations are a set: the statement gathers them in no order.
    facts = {**line["facts"], "relations": sorted(set(line["facts"].get("relations", ())))}
    kept = {**{name: value for name, value in line.items() if name not in _OWN}, "facts": facts}
    return json.dumps(kept, default=str, sort_keys=True, ensure_ascii=False)


@asynccontextmanager
async def alike_over(
    databases: Sequence[Database], directory: Database, folder: Path, began: datetime
) -> AsyncIterator[Alike]:
    """The two sides over two empty databases of tenants, migrated, and one of a directory."""
    async with twins_over(databases, directory, folder, began) as twins:
        alike = Alike(twins, Directory(directory))
        await register_places(alike.directory, TENANT)
        await alike.skip_lines()
        yield alike
