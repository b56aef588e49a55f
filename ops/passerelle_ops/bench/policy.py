"""`passerelle bench policy`: what a decision costs, kept and through Casbin, and whether the two agree.

The goals are those of the access kernel: a kept decision under a microsecond whatever the number of patients, a
hundred times faster than Casbin's, never of another opinion; and a record of 5,000 documents, half of them masked,
opened beside the same page read without any rule.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import chain
from random import Random
from statistics import median
from time import perf_counter_ns
from typing import Final
from uuid import UUID

from psycopg import AsyncConnection, sql
from rich.progress import Progress

from passerelle.kernel.clock import SystemClock, legal_day
from passerelle.kernel.errors import Conflict
from passerelle_ops.bench._bare import PAGE, BareReading
from passerelle_ops.bench._grid import Question, disagreements, drawn, grid, one_call
from passerelle_ops.bench._ground import TENANT, Ground, Size, measured_on_ground
from passerelle_ops.bench._report import Figure, Report
from passerelle_ops.bench._rounds import Ask, Plan, Rounds, Side, measure, samples_of
from passerelle_ops.installation import Installation
from passerelle_ops.settings import Settings
from passerelle_ops.stack.addresses import Addresses
from passerelle_policies.decision import decide
from passerelle_policies.facts import DocumentFacts, Facts
from passerelle_policies.packs import Pack, pack_on
from passerelle_policies.vocabulary import Action, DocumentStatus, DossierState, Kind, Mode, Purpose, Relation, Role

FEW, MANY = 1_000, 1_000_000
_DOCUMENTS: Final = 5_000
_BATCH: Final = 200
_SEED: Final = "passerelle-bench-policy-1"
_PROFESSIONS: Final = (Role.PHYSICIAN, Role.NURSE, Role.PHARMACIST, Role.DENTIST, Role.SOCIAL_WORKER)
_TIES: Final = (Relation.CARE_TEAM, Relation.AUTHORIZED, Relation.NONE)
#: A page of the same record, without facts, rules or journal: what PostgreSQL itself takes for it.
_BARE_PAGE: Final = (
    b"select json_agg(t) from (select * from document where patient_id = $1 and not masked and status = 'current'"
    b" order by act_at desc, document_id desc limit 51) t"
)

_OTHER_COLUMNS: Final = (
    "select column_name from information_schema.columns where table_name = 'document' and is_generated = 'NEVER'"
    " and column_name not in ('document_id', 'entry_uuid', 'unique_id', 'chain_id', 'masked', 'hidden_from_patient')"
)
_COPIED: Final = """
insert into document (document_id, entry_uuid, unique_id, chain_id, masked, hidden_from_patient, {columns})
select id, gen_random_uuid(), '2.25.' || id, id, mod(n, 2) = 0, false, {columns}
from (
  select gen_random_uuid() as id, row_number() over () as n, kept.*
  from document kept, generate_series(1, %(documents)s)
  where patient_id = %(patient)s and status = 'current' and not masked
  limit %(documents)s - (select count(*) from document where patient_id = %(patient)s)
) copied
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """How much to ask: cells of the grid (one in `every`), drawn questions, timed batches of kept decisions."""

    every: int = 1
    questions: int = 100_000
    batches: int = 2_000
    calls: int = 2_000


def run(settings: Settings, *, dsn: str | None = None, as_json: bool = False, quick: bool = False) -> int:
    """Measure and print; 0 when every goal holds, else 1. `settings` are not used: the ground is the bench's own."""
    del settings
    size = Size(patients=200, openings=1)
    if quick:
        depth = Depth(every=97, questions=3_000, batches=400, calls=300)
        return measured(size, Plan(connections=(1,), rounds=3, seconds=0.7), depth, dsn=dsn, as_json=as_json)
    return measured(size, Plan(connections=(1,)), Depth(), dsn=dsn, as_json=as_json)


def measured(size: Size, plan: Plan, depth: Depth, *, dsn: str | None, as_json: bool) -> int:
    """The same, of another size."""

    def on_ground(ground: Ground) -> int:
        rounds = asyncio.run(_opened(ground, plan))
        figures = [*_decisions(depth, ground.bar), *_agreement(depth, ground.bar), *_opening(rounds)]
        return Report(bench="policy", figures=figures).print(as_json=as_json)

    return measured_on_ground(size, dsn, lambda _: (), on_ground)


def _decisions(depth: Depth, bar: Progress) -> list[Figure]:
    """What a decision costs: through Casbin, and kept, in a small population and in a large one, in turns."""
    task = bar.add_task("Décisions", total=2)
    day = legal_day(SystemClock())
    pack = pack_on(day)
    questions = list(drawn(pack, depth.calls, _SEED))
    one_call(questions[0], pack, Relation.NONE)  # the matrix is read once
    cold = median(_cold(each, pack) for each in questions)
    bar.update(task, advance=1)
    of_few: list[float] = []
    of_many: list[float] = []
    gc.disable()  # a collection would fall into somebody's batch
    try:
        for turn in range(depth.batches):
            sides = ((FEW, of_few), (MANY, of_many))
            for patients, found in sides if turn % 2 else reversed(sides):
                found.append(_kept(patients, turn))
    finally:
        gc.enable()
    bar.update(task, advance=1)
    kept = median(of_many)
    return [
        Figure(name="cold_us_p50", value=cold, unit="µs"),
        Figure(name="kept_us_p50", value=kept, unit="µs", goal=1.0),
        Figure(name="cold_over_kept", value=cold / kept, unit="ratio", goal=100, is_floor=True),
        Figure(name="flatness_1e3_1e6", value=kept / median(of_few), unit="ratio", goal=1.25),
    ]


def _gathered(patients: int, turn: int) -> list[tuple[Facts, DocumentFacts]]:
    """What holds between a reader and patients drawn from `patients`, as a request gathers it: just now."""
    draw = Random(f"{_SEED}-{turn}")  # noqa: S311 - invented data, not a secret
    return [_facts_of(draw.randrange(patients)) for _ in range(_BATCH)]


def _facts_of(patient: int) -> tuple[Facts, DocumentFacts]:
    """The facts of one patient, always the same."""
    draw = Random(patient)  # noqa: S311 - invented data, not a secret
    day = legal_day(SystemClock())
    facts = Facts(
        role=draw.choice(_PROFESSIONS),
        relations=frozenset({draw.choice(_TIES)}),
        blocked=draw.random() < 0.02,
        dossier_state=DossierState.OPEN,
        mode=Mode.NORMAL,
        purpose=Purpose.CARE,
        day=day,
    )
    document = DocumentFacts(
        type_code=draw.choice(sorted(pack_on(day).dmp_types)),
        status=DocumentStatus.CURRENT,
        masked=draw.random() < 0.08,
        hidden_from_patient=False,
        hidden_from_representatives=False,
        by_actor=False,
    )
    return facts, document


def _kept(patients: int, turn: int) -> float:
    """Microseconds of one kept decision, with its reason, over a batch of patients."""
    batch = _gathered(patients, turn)
    for facts, document in batch:  # the first of each question is compiled and kept
        decide(facts, Kind.DOCUMENT, Action.READ, document)
    began = perf_counter_ns()
    for facts, document in batch:
        decide(facts, Kind.DOCUMENT, Action.READ, document)
    return (perf_counter_ns() - began) / 1000 / len(batch)


def _cold(question: Question, pack: Pack) -> float:
    """Microseconds of one call of Casbin."""
    began = perf_counter_ns()
    one_call(question, pack, question.relation)
    return (perf_counter_ns() - began) / 1000


def _agreement(depth: Depth, bar: Progress) -> list[Figure]:
    """Whether Casbin and the kept decision ever differ: the grid, then drawn questions."""
    day = legal_day(SystemClock())
    pack = pack_on(day)
    cells = sum(1 for _ in grid(pack)) // depth.every + 1
    task = bar.add_task("Casbin, case par case", total=cells + depth.questions)

    def asked(count: int) -> None:
        bar.update(task, advance=count)

    sampled = (each for number, each in enumerate(grid(pack)) if number % depth.every == 0)
    found = disagreements(chain(sampled, drawn(pack, depth.questions, _SEED)), day, asked)
    return [
        Figure(name="disagreements", value=len(found), unit="questions", goal=0),
        Figure(name="asked", value=cells + depth.questions, unit="questions"),
    ]


async def _opened(ground: Ground, plan: Plan) -> Rounds:
    """Open one record of 5,000 documents, half of them masked, and read a page of it without rules."""
    opening = ground.openings[0]
    owner_url = Addresses(ground.settings, ground.info).tenant_owner_url(TENANT)
    await _fill(owner_url, opening.patient_id)
    installation = Installation(ground.settings, ground.info)
    try:
        tenant = await (await installation.registry()).tenant(TENANT)
        bare = BareReading(ground.tenant_url, tenant, ground.openings[:1], ground.physicians)
        page = await bare.documents(0)
        if len(page) != PAGE or any(each["masked"] for each in page):
            raise Conflict("BENCH_ANSWERS_DIFFER", opening=0)

        @asynccontextmanager
        async def without_rules() -> AsyncIterator[Ask]:
            async with bare.connected() as connection:

                async def ask(_: int) -> None:
                    await connection.execute(_BARE_PAGE, [UUID(opening.patient_id)])

                yield ask

        sides = (
            Side("opened", "dossier de 5 000 documents, la moitié masqués", bare.statement),
            Side("page", "la même page, sans règle ni journal", without_rules),
        )
        task = ground.bar.add_task("Ouvertures", total=samples_of(sides, plan))
        return await measure(sides, plan, lambda: ground.bar.advance(task))
    finally:
        await installation.close()


async def _fill(owner_url: str, patient_id: str) -> None:
    """Make of one patient's record one of 5,000 documents, every other one masked, by copying those that it has."""
    async with await AsyncConnection.connect(owner_url, autocommit=True) as connection:
        named = await connection.execute(_OTHER_COLUMNS)
        columns = sql.SQL(", ").join(sql.Identifier(name) for (name,) in await named.fetchall())
        await connection.execute(
            sql.SQL(_COPIED).format(columns=columns), {"patient": UUID(patient_id), "documents": _DOCUMENTS}
        )
        await connection.execute("vacuum (analyze) document")


def _opening(rounds: Rounds) -> list[Figure]:
    return [
        Figure(name="masked_half_open_ms_p50", value=rounds.p50("opened", 1), unit="ms"),
        Figure(name="masked_half_open_over_page", value=rounds.p50_ratio("opened", "page", 1), unit="ratio"),
    ]
