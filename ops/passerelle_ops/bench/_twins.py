"""Two worlds alike but for one document: the same steps, people, ids and instants in two databases.

Ids are drawn from the step that makes them, so that a document more shifts no other. What is left to differ is what
is put into one of them. A reader who may not see it is asked in both, octet by octet; then the other gets it too, and
the twins are alike again.

Each world has a gateway that compiles what it can and one where Strawberry answers everything. Both worlds are asked
through the first, through the second, or each through another: then the executors are compared as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, TypeAlias

import uvicorn
from starlette.applications import Starlette
from starlette.types import ASGIApp

from passerelle.identities.bearers import BearerKind
from passerelle.identities.directory import Directory, Practice, Professional
from passerelle.identities.issuers import Issuer
from passerelle.identities.tokens import TokenVerifier
from passerelle.kernel.clock import SetClock
from passerelle.kernel.contents import Contents
from passerelle.kernel.context import Tenant
from passerelle.kernel.database import Database
from passerelle.kernel.errors import InvalidInput
from passerelle.kernel.keys import Keys
from passerelle_graphql.execution import Executor
from passerelle_graphql.gateway import Gateway
from passerelle_graphql.routes import routes
from passerelle_ops.bench._ids import Ids
from passerelle_ops.bench._questions import (
    FILTERS,
    TENANT,
    Answer,
    Question,
    ask,
    but_visits,
    comparable,
    lines_before,
    naming,
    next_lines,
    next_page,
    of_a_document,
    of_the_record,
    of_whom,
)
from passerelle_ops.bench._stage import RPPS, Stage, ins_of
from passerelle_ops.bench._worlds import (
    CAST,
    CITIZENS,
    PROFESSIONALS,
    Draw,
    Step,
    drawn_difference,
    drawn_plot,
    drawn_step,
)
from passerelle_ops.demo.issuer import DemoIssuer, create_app
from passerelle_policies.vocabulary import Mode

Reader: TypeAlias = tuple[str, Mode]
#: Who answers in the one world and in the other.
Pair: TypeAlias = tuple[Executor, Executor]
COMPILED: Final[Pair] = (Executor.COMPILED, Executor.COMPILED)
CROSSED: Final[Pair] = (Executor.COMPILED, Executor.STRAWBERRY)
#: Taken in turns, in an order that no list of questions follows.
_OTHERWISE: Final = {"attending_physician.sees_masked": True, "attending_physician.reads_journal": True}
_SHARES: Final = (*(COMPILED,) * 5, CROSSED, (Executor.STRAWBERRY, Executor.STRAWBERRY))
READERS: Final[Sequence[Reader]] = (
    *((who, Mode.NORMAL) for who in (*PROFESSIONALS, *CITIZENS)),
    *((who, Mode.BREAK_GLASS) for who in PROFESSIONALS),
    ("gp", Mode.REGULATION_CENTRE),
)


@dataclass(slots=True)
class _OneTenant:
    only: Tenant

    async def tenant(self, tenant_id: str) -> Tenant:
        if tenant_id != self.only.id:
            raise InvalidInput("TENANT_UNKNOWN", tenant=tenant_id)
        return self.only


@dataclass(frozen=True, slots=True)
class Leak:
    """An answer that differs: who asked whom what after which difference, and the two answers."""

    reader: Reader
    question: Question
    pair: Pair
    difference: list[Step]
    answers: tuple[object, object]


@dataclass(slots=True)
class Compared:
    """What was compared: readers asked after a difference (examples), single answers, and the leaks."""

    examples: int = 0
    answers: int = 0
    leaks: list[Leak] = field(default_factory=list)


@dataclass(slots=True)
class Twins:
    """Two tenants that cannot be told apart, and their gateways."""

    networks: tuple[_OneTenant, _OneTenant]
    apps: tuple[Mapping[Executor, ASGIApp], Mapping[Executor, ASGIApp]]
    issuer: DemoIssuer
    clock: SetClock
    ids: Ids
    began: datetime
    _pairs: Sequence[Pair] = _SHARES
    _asked: int = 0

    @property
    def tenants(self) -> tuple[Tenant, Tenant]:
        return self.networks[0].only, self.networks[1].only

    async def compare(
        self,
        world: int,
        draw: Draw,
        *,
        length: int = 8,
        rounds: int = 3,
        whole: bool,
        pairs: Sequence[Pair] = _SHARES,
    ) -> Compared:
        """Play one world in both, then `rounds` differences. `whole` asks everything, else a few questions of each
        kind, drawn; `pairs` are who answers, in turns. An example is one reader after one difference that he may not
        see."""
        self._pairs = pairs
        plot, done = drawn_plot(draw, length), Compared()
        self.clock.set(self.began)
        stages = [Stage(each, self.clock, world, plot.born, before=self.ids.about) for each in self.tenants]
        for stage in stages:
            await stage.begin()
        await self.play(stages, [each for each in plot.steps if each.verb != "announce"])
        for number in range(rounds):
            had = set(stages[1].documents)
            difference = drawn_difference(draw, plot)
            played = [
                await stages[1].play(each, key=f"{number}/{number_of_step}")
                for number_of_step, each in enumerate(difference)
            ]
            new = sorted(set(stages[1].documents) - had)
            if new:  # else the rules refused it, and the refusal is a line that the patient may read
                await self._asked_in_both(
                    stages, new, difference, draw, done, is_first=not number and all(played), whole=whole
                )
            for number_of_step, each in enumerate(difference):
                await stages[0].play(each, key=f"{number}/{number_of_step}")
            await self.play(stages, [drawn_step(draw, plot, _QUIET) for _ in range(3)])
        if CROSSED in pairs:
            await self._asked_in_the_end(stages[0], done)
        return done

    async def _asked_in_the_end(self, stage: Stage, done: Compared) -> None:
        """Both executors tell the same of one journal, before and after the network changes its parameters."""
        network, as_it_was = self.networks[0], self.networks[0].only
        self.clock.advance(timedelta(minutes=1))
        for who in ("patient", "parent"):
            reader, headers = (who, Mode.NORMAL), self.headers(stage, (who, Mode.NORMAL))
            for parameters in (as_it_was.parameters, _OTHERWISE):
                network.only = replace(as_it_was, parameters=parameters)
                question: Question | None = lines_before(stage.patient_id, self.clock.now())
                while question is not None:
                    answers = []
                    for executor in CROSSED:
                        self.ids.about("end")
                        answers.append(await ask(self.apps[0][executor], question, headers))
                    if answers[0] != answers[1]:
                        done.leaks.append(Leak(reader, question, CROSSED, [], (answers[0], answers[1])))
                    question = next_lines(question, answers[0])
        network.only = as_it_was

    async def play(self, stages: Sequence[Stage], steps: Sequence[Step]) -> None:
        """Let the same happen in both."""
        for each in steps:
            now = self.clock.now()
            done = []
            for stage in stages:
                self.clock.set(now)
                done.append(await stage.play(each))
            if done[0] != done[1]:
                raise ValueError(f"the twins parted at {each}: {[stage.refusal for stage in stages]}")

    async def _asked_in_both(
        self,
        stages: Sequence[Stage],
        new: list[int],
        difference: list[Step],
        draw: Draw,
        done: Compared,
        *,
        is_first: bool,
        whole: bool,
    ) -> None:
        fuller = stages[1]
        readers = [each for each in READERS if not (_knows(fuller, each, new) or _sees_another(stages, each, new))]
        # What names the new document comes last: being refused writes a line that the patient may read.
        rounds = [{each: self._about_the_rest(fuller, draw, is_first=is_first, whole=whole) for each in readers}]
        rounds.append({each: self._about_the_new(fuller, new, draw, whole=whole) for each in readers})
        for questions in rounds:
            for reader, asked in questions.items():
                await self._asked_by(fuller, reader, asked, difference, done, _unsaid(fuller, reader, new))
        done.examples += len(readers)

    def _about_the_rest(self, stage: Stage, draw: Draw, *, is_first: bool, whole: bool) -> list[Question]:
        lists = [of_the_record(stage.patient_id, kept) for kept in FILTERS]
        documents = [of_a_document(each) for each in list(stage.documents.values())[:4]]
        # Journals are compared once, and where all was allowed: a refusal left a line there in one of the twins.
        if whole:
            return [*_flat(lists), *_flat(documents), *(of_whom(stage.patient_id) if is_first else ())]
        drawn = [draw.choose(draw.choose(lists)), draw.choose(lists)[-1]]
        drawn += [draw.choose(draw.choose(documents))] if documents else []
        journal, *others = of_whom(stage.patient_id)
        return [*drawn, *((journal, draw.choose(others)) if is_first else ())]

    def _about_the_new(self, stage: Stage, new: list[int], draw: Draw, *, whole: bool) -> list[Question]:
        ins = ins_of(stage.world, "patient")
        questions = [
            [*of_a_document(stage.documents[each]), *naming(stage.documents[each], stage.unique_ids[each], ins)]
            for each in new
        ]
        return _flat(questions) if whole else [draw.choose(each) for each in questions]

    async def _asked_by(
        self,
        stage: Stage,
        reader: Reader,
        asked: list[Question],
        difference: list[Step],
        done: Compared,
        unsaid: frozenset[str],
    ) -> None:
        headers = self.headers(stage, reader)
        pending = list(asked)
        while pending:
            question = pending.pop(0)
            self._asked += 1
            answers, pair = [], self._pairs[self._asked % len(self._pairs)]
            for apps, executor in zip(self.apps, pair, strict=True):
                self.ids.about(f"ask/{self._asked}")
                answers.append(await ask(apps[executor], question, headers))
            done.answers += 1
            left, right = (comparable(question, each) for each in answers)
            if left != right and not (unsaid and question.body and _but_for_visits(left, right, unsaid)):
                done.leaks.append(Leak(reader, question, pair, difference, (answers[0], answers[1])))
            elif question.body and (after := next_page(question, answers[0])):
                pending.append(after)

    def headers(self, stage: Stage, reader: Reader) -> list[tuple[str, str]]:
        """What a reader sends along: his token and his mode."""
        who, mode = reader
        self.ids.about("token")
        if who in CITIZENS:
            ins = ins_of(stage.world, who)
            token = self.issuer.mint_person(oid=ins.oid, value=ins.value, family_name="ESSAI", given_name="Alix")
        else:
            token = self.issuer.mint_professional(
                rpps=RPPS[who],
                family_name="ESSAI",
                given_name="Dominique",
                profession=CAST[who].profession or "",
                may_regulate=mode is Mode.REGULATION_CENTRE,
            )
        return [("authorization", f"Bearer {token}"), ("passerelle-mode", mode.value)]


#: What may happen between two differences without making new documents: those come from the differences.
_QUIET: Final = (
    ("mask", "unmask", "archive", "withhold", "lift"),
    ("authorize", "attend", "block", "unblock", "withdraw_authorization"),
    ("break_glass", "end_emergency", "object", "withdraw_objection"),
    ("wait",),
)


def _knows(stage: Stage, reader: Reader, new: list[int]) -> bool:
    """Whether someone may see one of the new documents, wrote it, or reads in the journal that it was deleted."""
    stage.oracle.now = stage.clock.now()
    oracle, who, shown = stage.oracle, reader[0], stage.oracle.shown(*reader)
    return any(each in shown or oracle.about(each, who).by_actor or oracle.reads_of(each, who) for each in new)


def _sees_another(stages: Sequence[Stage], reader: Reader, new: list[int]) -> bool:
    """Whether what became of a new document took or gave him an older one, or changed from whom it is kept, which the
    patient and his representatives read: what is kept from somebody is kept from him in all its versions."""
    told = []
    for stage in stages:
        stage.oracle.now = stage.clock.now()
        sheets, reads_from_whom = stage.oracle.sheets, reader[0] in CITIZENS
        told.append(
            {
                each: (status, reads_from_whom and frozenset(sheets[each].withheld))
                for each, status in stage.oracle.shown(*reader).items()
                if each not in new
            }
        )
    return told[0] != told[1]


def _unsaid(stage: Stage, reader: Reader, new: list[int]) -> frozenset[str]:
    """The professionals whose visit a new document hides from its reader with itself (R.1111-50)."""
    sheets = [stage.oracle.sheets[each] for each in new] if reader[0] == "parent" else []
    return frozenset(
        RPPS[who] for each in sheets if each.hidden_from_representatives for who in each.authors if who in RPPS
    )


def _but_for_visits(left: Answer, right: Answer, unsaid: frozenset[str]) -> bool:
    return but_visits(left, unsaid) == but_visits(right, unsaid)


def _flat(lists: Sequence[Sequence[Question]]) -> list[Question]:
    return [each for some in lists for each in some]


@asynccontextmanager
async def twins_over(
    databases: Sequence[Database], directory_database: Database, folder: Path, began: datetime
) -> AsyncIterator[Twins]:
    """Twins over two empty databases of tenants, migrated, and one of a directory."""
    ids, clock, directory = Ids(), SetClock(began), Directory(directory_database)
    keys = Keys.create(folder / "keys.json")
    left, right = (
        Tenant(
            id=TENANT,
            name="Réseau d'essai",
            is_test=True,
            database=database,
            contents=Contents((folder / f"contents-{number}").as_uri()),
            keys=keys,
        )
        for number, database in enumerate(databases)
    )
    await directory.register_professionals(
        [
            Professional(
                rpps=rpps,
                family_name="ESSAI",
                given_name="Dominique",
                profession=CAST[name].profession or "",
                practices=(Practice(tenant_id=TENANT),),
            )
            for name, rpps in RPPS.items()
        ]
    )
    async with listening(create_app(folder=folder / "issuer")) as url:
        verifier = TokenVerifier([Issuer(url=url, audience="passerelle", vouches_for=frozenset(BearerKind))], clock)

        def gateways(network: _OneTenant) -> Mapping[Executor, ASGIApp]:
            whole = Gateway(registry=network, verifier=verifier, directory=directory, clock=clock)
            return {each: Starlette(routes=routes(replace(whole, executor=each))) for each in Executor}

        networks = _OneTenant(left), _OneTenant(right)
        apps = (gateways(networks[0]), gateways(networks[1]))
        with ids.in_place():
            yield Twins(networks, apps, DemoIssuer(folder / "issuer", url, clock=clock), clock, ids, began)


@asynccontextmanager
async def listening(app: ASGIApp) -> AsyncIterator[str]:
    """An application behind a real server on the loopback; gives its address."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", lifespan="off"))
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn gives a flag, not an event
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
