"""What Python writes into an answer: no text of anybody's makes a place, or breaks one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from passerelle.kernel.clock import SetClock
from passerelle.kernel.context import Context
from passerelle.kernel.database import Database
from passerelle_graphql.bodies import as_json
from passerelle_graphql.compiler import shapes
from passerelle_graphql.compiler.building import Builder
from passerelle_graphql.compiler.late import Late, filled
from passerelle_graphql.compiler.plans import Plans
from passerelle_graphql.compiler.selections import Selections
from passerelle_graphql.compiler.shapes import Sql
from passerelle_graphql.ids import Node, node_id
from passerelle_graphql.limits import Limits
from passerelle_graphql.preparation import Preparation
from passerelle_graphql.requests import Parameters
from passerelle_graphql.schema import ROOTS, schema
from passerelle_ops.bench._odd_records import TEXTS
from tests.builders import World, network, operator
from tests.conftest import Cloned

BACKSLASH = chr(92)
#: Mostly of what places are made of.
PIECES = st.text(st.sampled_from('\x01\x0201[]"\\u,é😀x'), max_size=12)


def _echo(_context: Context, columns: Sequence[Any], _found: Mapping[str, Any]) -> bytes:
    return as_json(columns)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=PIECES | st.sampled_from(TEXTS), second=PIECES)
async def test_a_place_holds_whatever_its_columns_hold(
    tenant_database: Cloned, tmp_path_factory: pytest.TempPathFactory, clock: SetClock, first: str, second: str
) -> None:
    context = World(network(tenant_database.database, tmp_path_factory.mktemp("places")), clock).context(operator())
    builder, one, other = Builder(Selections(schema._schema, {}, {})), Sql("given.one"), Sql("given.two")
    for late in (Late(write=_echo), Late(write=_echo, kept_as=lambda _context: "echo")):
        builder.late.clear()
        body = shapes.joined(
            [
                (False, "["),
                (True, shapes.free_text(one)),
                (False, ","),
                (True, builder.later(late, Sql(f"json_build_array({one}, {other})::text"))),
                (False, ","),
                (True, shapes.free_text(other)),
                (False, ","),
                (True, builder.later(late, Sql(f"json_build_array({other})::text"))),
                (False, "]"),
            ]
        )
        # `:` is how SQLAlchemy finds a parameter; the body has none.
        given = "(select cast(:one as text), cast(:two as text)) as given(one, two)"
        said = text(f"select {body.replace(':', BACKSLASH + ':')} from {given}")
        async with tenant_database.database.transaction() as connection:
            octets = str(await connection.scalar(said, {"one": first, "two": second})).encode()
        shown = await filled(octets, builder.late, context)
        assert json.loads(shown) == [first, [first, second], second, [second]]


@pytest.mark.parametrize(
    ("fields", "places"),
    [
        ("why source", 1),
        ("source why", 1),
        ("why other: why source", 1),
        ("why rule source", 2),
        ("sentence why", 2),
        ("actor { structureName } actor { structureName }", 1),
        ("actor { structureName other: structureName }", 2),
    ],
)
def test_neighbours_of_the_same_columns_are_one_place_where_both_are_kept(fields: str, places: int) -> None:
    query = '{ journal(patientId: "%s") { ... on JournalConnection { nodes { %s } } } }'
    asked = Parameters(query=query % (node_id(Node.PATIENT, uuid4()), fields))
    prepared = Preparation(schema, Limits(), introspection=False).prepare(asked)
    assert Plans(schema, ROOTS, kept=1).plan(prepared).roots[0].body.count("\x02") == places


async def test_what_a_lookup_found_is_kept_for_a_while_and_what_it_did_not_find_is_not(
    clock: SetClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr("passerelle_graphql.compiler.late.monotonic", lambda: now)
    context = World(network(Database("postgresql://nobody@127.0.0.1:1/none"), tmp_path), clock).context(operator())
    asked: list[Sequence[Sequence[Any]]] = []

    async def lookup(_context: Context, columns: Sequence[Sequence[Any]]) -> Mapping[str, Any]:
        asked.append(columns)
        return {"known": "named"}

    def write(_context: Context, columns: Sequence[Any], found: Mapping[str, Any]) -> bytes:
        return as_json(found.get(columns[0]))

    kind = object()
    late = Late(write=write, lookup=lookup, kept_as=lambda _context: kind, kept_seconds=5)
    body = b'[\x010\x02["known"]\x01,\x010\x02["unknown"]\x01,\x010\x02["known"]\x01]'
    for _ in range(2):
        assert await filled(body, [late], context) == b'["named",null,"named"]'
    now = 5.0
    await filled(body, [late], context)

    assert asked == [[["known"], ["unknown"]], [["unknown"]], [["known"], ["unknown"]]]
