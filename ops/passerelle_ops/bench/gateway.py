"""`passerelle bench gateway`: the compiled gateway against the bare statements, the reference executor and its peers.

Two operations, the dossier and the journal page by page, asked of the same 2 million documents in turns (`_rounds`):
by psycopg alone, by the gateway (hash of a registered operation, or text), by the Strawberry executor, and by any other
GraphQL server that holds the same data. Everything is on: token, rules, journal line with synchronous commit, limits.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Final

from passerelle.kernel.errors import Conflict
from passerelle_graphql.committed import committed
from passerelle_ops.bench._bare import PAGE
from passerelle_ops.bench._ground import Ground, pids_of
from passerelle_ops.bench._kept_ground import Grounds, Sizes, measured_on_kept_ground
from passerelle_ops.bench._operations import Client, Form, Operation, operations, tokens_of
from passerelle_ops.bench._peer import Peer, PeerSide, held, invite
from passerelle_ops.bench._pressure import Load, endured, gateway_processes, pressed
from passerelle_ops.bench._report import Figure, Report
from passerelle_ops.bench._rounds import Plan, Rounds, Side, measure, samples_of
from passerelle_ops.bench._statements import Bare, timeless
from passerelle_ops.installation import Installation
from passerelle_ops.settings import Settings
from passerelle_ops.stack.processes import gateway
from passerelle_ops.stack.servers import Stack
from passerelle_ops.stack.supervisor import Process

_REFERENCE: Final = "reference"
_QUICK: Final = Sizes(patients=20_000, few=510, openings=100, journals=40)


@dataclass(frozen=True, slots=True, kw_only=True)
class Depth:
    """How much to measure: the plan of the rounds, the plan of the two sizes, unknown operations of each kind."""

    plan: Plan
    sizes: Plan
    unknown: int


_WHOLE: Final = Depth(plan=Plan(connections=(1, 8, 32, 128)), sizes=Plan(connections=(1,)), unknown=40)
_BRIEF: Final = Depth(
    plan=Plan(connections=(1, 32), rounds=3, seconds=0.4),
    sizes=Plan(connections=(1,), rounds=5, seconds=0.4),
    unknown=15,
)


def run(
    settings: Settings,
    *,
    dsn: str | None = None,
    as_json: bool = False,
    quick: bool = False,
    peer: Peer | None = None,
    hold: bool = False,
    pressure: bool = False,
    endurance: int | None = None,
) -> int:
    """Measure and print; 0 when every goal holds, else 1. `settings` are not used: the ground is the bench's own.

    `peer` is measured too. Instead of measuring speed, `hold` keeps the ground running for someone else to look at,
    `pressure` asks more than can be served for a minute, `endurance` asks that many requests.
    Refused: BENCH_ANSWERS_DIFFER when two ways do not show the same, PEER_SILENT.
    """
    del settings
    sizes = _QUICK if quick else Sizes()
    if hold:
        return held(sizes)
    if pressure:
        return pressed(sizes, Load(seconds=10 if quick else 60), dsn=dsn, as_json=as_json)
    if endurance is not None:
        return endured(sizes, endurance, dsn=dsn, as_json=as_json)
    return measured(sizes, _BRIEF if quick else _WHOLE, dsn=dsn, as_json=as_json, peer=peer)


def measured(
    sizes: Sizes, depth: Depth, *, dsn: str | None, as_json: bool, peer: Peer | None = None, cache: Path | None = None
) -> int:
    """The same, of another size."""

    def on_grounds(grounds: Grounds) -> int:
        if peer is not None:
            invite(grounds, peer)
        return asyncio.run(_measured(grounds, depth, peer)).print(as_json=as_json)

    return measured_on_kept_ground(sizes, dsn, _processes, on_grounds, cache=cache)


def _processes(stack: Stack) -> Sequence[Process]:
    return [*gateway_processes(stack), _reference(stack)]


def _reference(stack: Stack) -> Process:
    """The same gateway, answering through the Strawberry executor alone."""
    made = gateway(stack, _REFERENCE)
    environment = {**(made.command.environment or {}), "PASSERELLE_EXECUTOR": "strawberry"}
    return replace(made, command=replace(made.command, environment=environment))


async def _measured(grounds: Grounds, depth: Depth, peer: Peer | None) -> Report:
    ground, installation = grounds.large, Installation(grounds.large.settings, grounds.large.info)
    try:
        async with AsyncExitStack() as stack:
            bare = Bare(ground, await (await installation.registry()).tenant(ground.tenant), installation.directory)
            await stack.enter_async_context(bare.open(max(depth.plan.connections)))
            asked = await operations(ground)
            tokens = tokens_of(ground)
            sides: dict[str, list[Side]] = {}
            shares: dict[str, float] = {}
            for operation in asked:
                await _compared(ground, operation, tokens, bare)
                sides[operation.name] = await _sides(ground, operation, tokens, bare)
                if peer is not None and peer.asks(operation):
                    beside = PeerSide(peer, operation, tokens)
                    shares[operation.name] = await beside.compare(
                        await Client(ground, tokens).bodies(operation, Form.POST)
                    )
                    sides[operation.name].append(beside.side())
            every = [side for each in sides.values() for side in each]
            task = ground.bar.add_task("Mesures", total=samples_of(every, depth.plan))
            rounds = await measure(every, depth.plan, lambda: ground.bar.advance(task))
            sizes = await _flatness(grounds, asked, tokens, depth.sizes)
            cold = {each.name: await _cold(Client(ground, tokens), each, depth.unknown) for each in asked}
    finally:
        await installation.close()
    figures = [
        figure
        for each in asked
        for figure in figures_of(each, rounds, sizes, cold[each.name], share=shares.get(each.name))
    ]
    return Report(
        bench="gateway",
        figures=figures,
        details=[rounds.table(each.title, sides[each.name]) for each in asked],
    )


async def _sides(ground: Ground, operation: Operation, tokens: Mapping[str, str], bare: Bare) -> list[Side]:
    here, reference = Client(ground, tokens), Client(ground, tokens, _REFERENCE)
    ours, database = pids_of(ground.info, "web"), pids_of(ground.info, "postgres")
    name = operation.suffix
    return [
        Side(f"sql{name}", "SQL seul, psycopg", await bare.asking(operation), database=database),
        Side(f"persisted{name}", "passerelle, par empreinte", here.asking(operation, Form.PERSISTED), ours, database),
        Side(f"post{name}", "passerelle, par texte", here.asking(operation, Form.POST), ours, database),
        Side(
            f"reference{name}",
            "exécuteur Strawberry",
            reference.asking(operation, Form.POST),
            pids_of(ground.info, _REFERENCE),
            database,
        ),
    ]


async def _compared(ground: Ground, operation: Operation, tokens: Mapping[str, str], bare: Bare) -> None:
    """Every way gives the same octets, full pages of what the statements show."""
    here, reference = Client(ground, tokens), Client(ground, tokens, _REFERENCE)
    answers = await here.bodies(operation, Form.POST)
    _require_same(answers, await here.bodies(operation, Form.PERSISTED))
    _require_same(answers, await reference.bodies(operation, Form.POST))
    for number, (turn, answer) in enumerate(zip(operation.compared, answers, strict=True)):
        if len(operation.nodes(answer)) != PAGE or not await bare.shows(operation, turn, answer):
            raise Conflict("BENCH_ANSWERS_DIFFER", opening=number)


def _require_same(first: Sequence[bytes], second: Sequence[bytes]) -> None:
    for number, (one, other) in enumerate(zip(first, second, strict=True)):
        if timeless(one) != timeless(other):
            raise Conflict("BENCH_ANSWERS_DIFFER", opening=number)


async def _flatness(grounds: Grounds, asked: Sequence[Operation], tokens: Mapping[str, str], plan: Plan) -> Rounds:
    """The same operations over the small network and over the large one, in turns."""
    sides: list[Side] = []
    small = await operations(grounds.small)
    theirs = tokens_of(grounds.small)
    for few, many in zip(small, asked, strict=True):
        sides.append(Side(f"few{few.suffix}", "", Client(grounds.small, theirs).asking(few, Form.PERSISTED)))
        sides.append(Side(f"many{many.suffix}", "", Client(grounds.large, tokens).asking(many, Form.PERSISTED)))
    task = grounds.large.bar.add_task("Petit et grand", total=samples_of(sides, plan))
    return await measure(sides, plan, lambda: grounds.large.bar.advance(task))


async def _cold(client: Client, operation: Operation, count: int) -> float:
    """Milliseconds that the first use of an unknown operation takes over a known one's: the medians of both.

    The unknown differ by an alias, so that nothing kept serves, the plans of PostgreSQL included.
    """
    text, turn, drawn = committed()[operation.name], operation.compared[0], secrets.token_hex(4)
    known_request = client.request(turn, text, operation.name)
    unknown: list[float] = []
    known: list[float] = []
    async with client.connected() as connection:
        for number in range(count):
            other = text.replace("__typename", f"cold_{drawn}_{number}: __typename", 1)
            for request, times in ((known_request, known), (client.request(turn, other, operation.name), unknown)):
                began = perf_counter()
                answer = await connection.ask(request)
                times.append(perf_counter() - began)
                if answer.status != HTTPStatus.OK or operation.mark not in answer.body[:160]:
                    raise ValueError(f"{operation.name} was not answered: {answer.status} {answer.body[:300]!r}")
    return (median(unknown) - median(known)) * 1000


def figures_of(
    operation: Operation, rounds: Rounds, sizes: Rounds, cold: float, *, share: float | None = None
) -> list[Figure]:
    """The figures of the issue for one operation, and what they are made of."""
    end = operation.suffix
    ours, sql, post, reference, peer = (f"{name}{end}" for name in ("persisted", "sql", "post", "reference", "peer"))

    def figure(name: str, value: float, unit: str, goal: float | None = None, *, is_floor: bool = False) -> Figure:
        return Figure(name=f"{name}{end}", value=value, unit=unit, goal=goal, is_floor=is_floor)

    found = [
        figure("p50_ratio_c1", rounds.p50_ratio(ours, sql, 1), "ratio", operation.p50_goal),
        figure("throughput_ratio_c32", rounds.rate_ratio(ours, sql, 32), "ratio", 0.65, is_floor=True),
        figure("cpu_ms_per_request", rounds.cpu(ours, 32), "ms", 0.5),
        figure("p99_over_p50_c32", rounds.tail(ours, 32), "ratio", 4.0),
        figure("flatness_50k_2m", sizes.p50_ratio(f"many{end}", f"few{end}", 1), "ratio", 1.25),
        figure("strawberry_speedup_c32", rounds.rate_ratio(ours, reference, 32), "ratio"),
        figure("cold_operation_extra_ms", cold, "ms", 5.0),
        figure("post_over_persisted_p50_c1", rounds.p50_ratio(post, ours, 1), "ratio"),
        figure("sql_p50_ms", rounds.p50(sql, 1), "ms"),
        figure("persisted_p50_ms", rounds.p50(ours, 1), "ms"),
        figure("persisted_per_second_c32", rounds.rate(ours, 32), "/s"),
        figure("postgres_cpu_ms_per_request", rounds.database_cpu(ours, 32), "ms"),
    ]
    if share is not None:
        found += [
            figure("peer_throughput_ratio_c32", rounds.rate_ratio(ours, peer, 32), "ratio", 5.0, is_floor=True),
            figure("peer_values_share", share, "des valeurs"),
            figure("peer_p99_ratio_c32", rounds.p99_ratio(ours, peer, 32), "ratio", 0.4),
        ]
    return found
