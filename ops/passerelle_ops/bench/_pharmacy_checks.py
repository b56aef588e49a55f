"""The checks of a basket: what one call costs this process beyond what PostgreSQL does for it.

The committed operation is asked as the gateway asks it, one call at a time: processor time of the process, from the
variables to the octets. Patients with histories of two hundred lines, asked of in turn: some of fifty treatments, each
renewed month by month and others for each of them, and one of two hundred treatments at once, which nobody has.
"""

from __future__ import annotations

import gc
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Final
from uuid import UUID, uuid4

from psycopg import AsyncConnection, sql
from rich.progress import Progress

from passerelle.kernel.clock import PARIS, SystemClock
from passerelle.kernel.context import Tenant
from passerelle.pharmacy.reference.loading import load_published, load_starter
from passerelle.pharmacy.reference.sources import Source
from passerelle_graphql.committed import committed
from passerelle_graphql.compiler import running
from passerelle_graphql.compiler.plans import Plans
from passerelle_graphql.context import Asked
from passerelle_graphql.ids import Node, node_id
from passerelle_graphql.limits import Limits
from passerelle_graphql.preparation import Preparation
from passerelle_graphql.requests import Parameters
from passerelle_graphql.schema import ROOTS, schema
from passerelle_ops.bench._pharmacy_population import PHARMACIST
from passerelle_ops.bench._pharmacy_view import pharmacist
from passerelle_ops.bench._report import Figure

OPERATION: Final = "CheckDispensing"
BASKET: Final = 10
LINES: Final = 200
_TREATMENTS: Final = 50
_USUAL: Final = 6
_GOAL_MS: Final = 5.0
_ROOT: Final = Path(__file__).resolve().parents[3]
#: Where the public files are, in a working copy that has them beside it; else the small set that ships with us.
PUBLIC: Final = Path(os.environ.get("SHARED_DATA", _ROOT.parent / "shared" / "data")) / "medicines"

_DRAWN = """
select distinct on (p.cis) p.cip13, m.name, array(select s.search_name from medicine_substance s
    where s.edition_id = m.edition_id and s.cis = m.cis), m.atc
from presentation p join medicine m using (edition_id, cis) join reference_edition e using (edition_id)
where e.in_force_from is not null and e.in_force_until is null and exists (
    select from medicine_substance s, interaction i, reference_edition f
    where s.edition_id = m.edition_id and s.cis = m.cis and f.edition_id = i.edition_id
      and f.in_force_from is not null and f.in_force_until is null
      and (i.left = any(s.known_as) or i.right = any(s.known_as)))
order by p.cis, p.cip13
"""


@dataclass(frozen=True, slots=True)
class Box:
    """A product that the interactions know."""

    cip13: str
    label: str
    substances: list[str]
    atc: str | None


@dataclass(frozen=True, slots=True)
class Customer:
    """Someone at the counter, and the CIP13 of what he asks for."""

    patient_id: UUID
    basket: list[str]


async def checks_figures(tenant: Tenant, owner_url: str, bar: Progress, *, calls: int) -> list[Figure]:
    """Load the tables, invent the two patients, measure."""
    task = bar.add_task("Contrôles", total=2 * calls)
    pairs = await _tables(tenant)
    async with await AsyncConnection.connect(owner_url, autocommit=True) as connection:
        boxes = await _boxes(connection)
        step = len(boxes) // _USUAL
        usual = [
            Customer(
                await _patient(connection, [of[turn % _TREATMENTS] for turn in range(LINES)], apart=28),
                [of[-1 - number * 7 % len(of)].cip13 for number in range(BASKET)],
            )
            for of in ([*boxes[turn * step :], *boxes[: turn * step]] for turn in range(_USUAL))
        ]
        everything = await _patient(connection, [boxes[turn % len(boxes)] for turn in range(LINES)], apart=0)
        crowded = [Customer(everything, usual[0].basket)]
        await connection.execute("vacuum (analyze)")
    # As a serving process does.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    spent = {}
    for name, people in (("usual", usual), ("crowded", crowded)):
        spent[name] = await _measured(tenant, people, calls, lambda: bar.advance(task))
    return [
        Figure(name="checks_ms_p50", value=spent["usual"].own, unit="ms", goal=_GOAL_MS),
        Figure(name="checks_crowded_ms_p50", value=spent["crowded"].own, unit="ms"),
        Figure(name="checks_wall_ms_p50", value=spent["usual"].wall, unit="ms"),
        Figure(name="checks_findings", value=spent["usual"].findings, unit="avertissements"),
        Figure(name="checks_interactions", value=pairs, unit="lignes de la table"),
    ]


async def _tables(tenant: Tenant) -> int:
    """The public files where they are, else the starter set; how many lines of interactions are in force."""
    clock = SystemClock()
    if PUBLIC.is_dir():
        await load_published(tenant.database, clock, Source.BDPM, PUBLIC / "bdpm-2026-05")
        await load_published(tenant.database, clock, Source.INTERACTIONS, PUBLIC / "ansm-interactions")
    else:
        await load_starter(tenant.database, clock)
    async with tenant.database.transaction() as connection:
        counted = (
            "select count(*) from interaction join reference_edition using (edition_id)"
            " where in_force_from is not null and in_force_until is null"
        )
        return int((await connection.exec_driver_sql(counted)).scalar_one())


async def _boxes(connection: AsyncConnection) -> list[Box]:
    rows = await (await connection.execute(_DRAWN)).fetchall()
    # Spread over the list, which is in the order of the codes.
    step = max(len(rows) // LINES, 1)
    return [Box(*row) for row in rows[::step]]


async def _patient(connection: AsyncConnection, lines: Sequence[Box], *, apart: int) -> UUID:
    """Someone at the counter, to whom all that was dispensed; a treatment comes again after so many days."""
    patient_id, now = uuid4(), datetime.now(UTC)
    who = {"patient_id": patient_id}
    named = {"ins_status": "qualified", "family_name": "ESSAI", "birth_date": "19600115", "registered_at": now}
    await _insert(connection, "patient", **who, **named)
    await _insert(connection, "pharmacy_record", **who, state="open", opened_at=now - timedelta(days=900))
    await _insert(
        connection,
        "relation",
        **who,
        relation_id=uuid4(),
        relation="patient_present",
        subject=f"professional:{PHARMACIST}",
        valid_from=now - timedelta(minutes=1),
        valid_until=now + timedelta(hours=12),
        recorded_by="bench",
    )
    async with connection.pipeline():
        await _lines(connection, patient_id, lines, now, apart=apart)
    return patient_id


async def _lines(
    connection: AsyncConnection, patient_id: UUID, lines: Sequence[Box], now: datetime, *, apart: int
) -> None:
    for turn, box in enumerate(lines):
        at, number = now - timedelta(days=1 + apart * (turn // _TREATMENTS)), uuid4()
        await _insert(
            connection,
            "dispensation",
            patient_id=patient_id,
            dispensation_id=number,
            pharmacy="310700001",
            pharmacy_number=number.hex,
            version=1,
            status="current",
            dispensed_at=at,
            dispensed_by=f"professional:{PHARMACIST}",
            fingerprint="-",
            recorded_at=at,
        )
        await _insert(
            connection,
            "dispensation_line",
            patient_id=patient_id,
            dispensation_id=number,
            number=1,
            product_class="medicine",
            cip13=box.cip13,
            label=box.label,
            substances=box.substances,
            atc=box.atc,
            quantity=1,
            days=28,
            is_prescribed=True,
            dispensed_on=at.astimezone(PARIS).date(),
        )


async def _insert(connection: AsyncConnection, table: str, /, **columns: object) -> None:
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    places = sql.SQL(", ").join(sql.Placeholder() * len(columns))
    insert = sql.SQL("insert into {} ({}) values ({})").format(sql.Identifier(table), names, places)
    await connection.execute(insert, list(columns.values()))


@dataclass(frozen=True, slots=True)
class _Spent:
    """Milliseconds of one call, the median: of this process's processor, and by the clock."""

    own: float
    wall: float
    findings: float


async def _measured(tenant: Tenant, people: Sequence[Customer], calls: int, on_call: Callable[[], None]) -> _Spent:
    preparation = Preparation(schema, Limits(), introspection=False)
    plans = Plans(schema, ROOTS, kept=8)
    own, wall, answers = [], [], {}
    for turn in range(calls):
        one = people[turn % len(people)]
        basket = [{"cip13": each} for each in one.basket]
        variables = {"patientId": node_id(Node.PATIENT, one.patient_id), "basket": basket}
        asked = Parameters(query=committed()[OPERATION], operation_name=OPERATION, variables=variables)
        began, at = process_time(), perf_counter()
        prepared = preparation.prepare(asked)
        answer = await running.run(plans.plan(prepared), Asked(pharmacist(tenant), prepared, f"/{tenant.id}"))
        own.append(1_000 * (process_time() - began))
        wall.append(1_000 * (perf_counter() - at))
        answers[one.patient_id] = answer
        on_call()
    findings = []
    for answer in answers.values():
        said = json.loads(answer)["data"]["dispensingChecks"]
        if not any(each["table"] == "HISTORY" and each["count"] == LINES for each in said["checkedAgainst"]):
            raise ValueError("the history was not read")
        findings.append(len(said["findings"]))
    return _Spent(median(own), median(wall), median(findings))
