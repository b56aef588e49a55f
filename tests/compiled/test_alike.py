"""The two executors answer alike, octet by octet, whatever valid operation is asked of whatever world, and write the
same lines into the journal."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis_graphql import nodes, queries
from sqlalchemy import text

from passerelle_ops.bench._alike import ASKING, GRAPH, NAMES, Alike, Ground, drawn_reader
from passerelle_ops.bench._drawn_arguments import HOSTILE
from passerelle_ops.bench._drawn_operations import Operation, drawn_operation
from passerelle_ops.bench._worlds import Seeded
from passerelle_policies.vocabulary import Mode
from tests.proofs.conftest import Drawn

pytestmark = pytest.mark.no_cover  # test_bench_compile passes the same lines
_SETTINGS = settings(
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
SEEDED = 80


async def test_most_operations_compile_and_all_are_answered_alike(alike: Alike, grounds: Sequence[Ground]) -> None:
    for number in range(SEEDED):
        draw, ground = Seeded(f"seeded-{number}"), grounds[number % len(grounds)]
        asked = drawn_operation(draw, GRAPH, NAMES, ground.known)
        difference = await alike.compare(ground, drawn_reader(draw, asked.text), asked)
        assert difference is None, f"{number}: {difference}"
    tally = alike.tally
    print(f"\n{tally.share:.1%} of {tally.valid} compile; not: {dict(tally.reasons)}; answered: {dict(tally.answered)}")  # noqa: T201
    assert tally.failed == 0
    assert tally.valid >= 0.8 * SEEDED
    assert tally.share >= 0.95


CONCERNED = """query ($id: ID!) {
  recalls { ... on ReceivedRecalls { nodes { id message batches state } } ... on Problem { code } }
  concernedPatients(recallId: $id) {
    ... on ConcernedPatients { nodes { patientId handed { label batch dispensedOn } } endCursor }
    ... on Problem { code }
  }
}"""


async def test_there_is_something_to_show_of_pharmacies(alike: Alike, grounds: Sequence[Ground]) -> None:
    assert sum(bool(each.known.handed) for each in grounds) > 1
    for ground, who in ((each, who) for each in grounds for who in ("pharmacist", "gp")):
        assert ground.known.recalls
        for recall in ground.known.recalls:
            difference = await alike.compare(ground, (who, Mode.NORMAL), Operation(CONCERNED, {"id": recall}, None))
            assert difference is None, str(difference)
    async with alike.twins.tenants[0].database.transaction() as connection:
        shown = text("select count(*) from journal where (kind, action, outcome) = ('recall', 'find', 'allowed')")
        assert await connection.scalar(shown)


@settings(_SETTINGS, max_examples=35)
@given(data=st.data())
async def test_operations_with_all_that_the_language_has(
    alike: Alike, grounds: Sequence[Ground], data: st.DataObject
) -> None:
    draw = Drawn(data)
    ground = draw.choose(grounds)
    asked = drawn_operation(draw, GRAPH, NAMES, ground.known)
    reader = drawn_reader(draw, asked.text)
    difference = await alike.compare(ground, reader, asked)
    assert difference is None, str(difference)


@settings(_SETTINGS, max_examples=35)
@given(data=st.data())
async def test_operations_of_a_generator_that_knows_the_schema_alone(
    alike: Alike, grounds: Sequence[Ground], data: st.DataObject
) -> None:
    ground, reader = data.draw(st.sampled_from(grounds)), data.draw(st.sampled_from(ASKING))
    known = ground.known
    ids = st.sampled_from([*known.patients, *known.documents, *known.recalls, "nothing"])
    texts = st.sampled_from([*HOSTILE, *known.professionals, *known.types, *known.lines, *known.pages, *known.places])
    scalars = {
        "ID": ids.map(nodes.String),
        "String": texts.map(nodes.String),
        "Int": st.integers(-2, 60).map(nodes.Int),
        "DateTime": st.datetimes().map(lambda at: nodes.String(f"{at.isoformat()}Z")),
        "Date": st.dates().map(lambda day: nodes.String(day.isoformat())),
        "Decimal": st.decimals(-1, 10**4, places=2).map(lambda number: nodes.String(str(number))),
        "Base64": st.binary(max_size=9).map(lambda octets: nodes.String(base64.b64encode(octets).decode())),
    }
    roots = data.draw(st.sampled_from([[each] for each in NAMES]))
    query = data.draw(queries(GRAPH, fields=roots, custom_scalars=scalars))
    difference = await alike.compare(ground, reader, Operation(query, {}, None))
    assert difference is None, str(difference)


def _documents(inside: str, declared: str = "") -> str:
    return f"query{declared} {{ dossier(patientId: %) {{ ... on Dossier {{ {inside} }} ... on Problem {{ code }} }} }}"


_JOURNAL = "query ($yes: Boolean) { journal(patientId: %, emergenciesOnly: $yes) { __typename } }"
#: What once differed, or nearly; % stands for a patient's id.
ONCE: Sequence[tuple[str, Mapping[str, Any]]] = (
    # Null for a variable that has a default, where null may not stand.
    ("query ($id: ID = %) { dossier(patientId: $id) { __typename } }", {"id": None}),
    ("query ($yes: Boolean = true) { me { kind @include(if: $yes) } }", {"yes": None}),
    (_JOURNAL, {"yes": None}),
    (_JOURNAL, {}),
    (_documents("documents(filter: {wholeHistory: $all}) { totalCount }", "($all: Boolean)"), {"all": None}),
    (_documents("documents(filter: {types: [$type]}) { totalCount }", '($type: String = "11488-4")'), {"type": None}),
    ('query ($o: String = "1") { patient(by: {ins: {oid: $o, value: "1"}}) { __typename } }', {"o": None}),
    # Arguments of a field that is not there, or whose type is not.
    (_documents("state documents(first: 0) @skip(if: true) { totalCount }"), {}),
    (_documents("documents(first: 1) @skip(if: true) { since } documents(first: 1) { nodes { id } }"), {}),
    (_documents("state ... @include(if: $no) { documents(first: 0) { since } }", "($no: Boolean!)"), {"no": False}),
    # A page that Strawberry does not read ahead.
    (_documents("a: documents(first: 1) { nodes { id } } b: documents(first: 2) { totalCount }"), {}),
    # Nothing to ask of the database.
    ("{ kind: __typename me { __typename } __typename }", {}),
    ("{ me @skip(if: true) { kind } }", {}),
    (_documents("state @skip(if: true)"), {}),
    # The same list twice.
    ("{ journal(patientId: %, first: 2) { ... on JournalConnection { nodes { id } nodes { at id } } } }", {}),
)


@pytest.mark.parametrize("number", range(len(ONCE)))
async def test_what_once_differed(alike: Alike, grounds: Sequence[Ground], number: int) -> None:
    query, variables = ONCE[number]
    for ground, who in ((each, who) for each in grounds[:2] for who in ("patient", "gp", "stranger")):
        asked = Operation(query.replace("%", f'"{ground.known.patients[0]}"'), variables, None)
        difference = await alike.compare(ground, (who, Mode.NORMAL), asked)
        assert difference is None, str(difference)
    assert alike.tally.failed == 0


#: Places behind an id that exists: % is the text, @ the patient.
ANSWERED = (
    "dossier(patientId: @) { ... on Dossier { documents(after: %) { totalCount } } ... on Problem { code message } }",
    "dossier(patientId: @) { ... on Dossier { documents(filter: {types: [%], authors: [%, %]}) { totalCount } } }",
    "dossier(patientId: @) { ... on Dossier { documents(filter: {structures: [%], classes: [%]}) { totalCount } } }",
    "journal(patientId: @, rpps: %) { ... on JournalConnection { nodes { sentence } } ... on Problem { code } }",
    "journal(patientId: @, after: %) { __typename ... on Problem { code message } }",
    "patient(by: {ins: {oid: %, value: %}}) { __typename ... on Problem { code message } }",
    "patient(by: {traits: {familyName: %, birthDate: %}}) { __typename ... on Problem { code message } }",
    "document(id: %) { __typename ... on Problem { code message } }",
)  # fmt: skip


async def test_hostile_texts_are_answered_alike(alike: Alike, grounds: Sequence[Ground]) -> None:
    ground = grounds[0]
    patient = json.dumps(ground.known.patients[0])
    for number, value in enumerate(HOSTILE):
        for shift in (0, 3):
            body = ANSWERED[(number + shift) % len(ANSWERED)].replace("@", patient)
            type_ = "ID" if body.startswith("document") else "String"
            asked = (
                Operation(f"query ($it: {type_}!) {{ {body.replace('%', '$it')} }}", {"it": value}, None)
                if shift
                else Operation(f"{{ {body.replace('%', json.dumps(value, ensure_ascii=False))} }}", {}, None)
            )
            difference = await alike.compare(ground, ("patient" if number % 2 else "gp", Mode.NORMAL), asked)
            assert difference is None, str(difference)
    assert alike.tally.failed == 0
