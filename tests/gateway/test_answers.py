"""How answers go out: in gzip for whoever takes it, and at once when the house is full."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle_graphql.bodies import with_more
from passerelle_graphql.compression import gzipped, takes_gzip
from passerelle_graphql.ids import Node, node_id
from passerelle_graphql.limits import Limits
from tests.gateway.serving import GRAPHQL, Serving, serving_over

LONG = {"query": "{ __schema { types { name description } } }"}
SHORT = {"query": "{ __typename }"}


@pytest.mark.parametrize(
    ("accept", "takes"),
    [
        ("", False),
        ("identity", False),
        ("gzip", True),
        ("GZIP", True),
        ("br, gzip;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("*", True),
        ("*;q=0", False),
        ("*, gzip;q=0", False),
        ("gzip;q=0, *", False),
        ("br", False),
        ("gzip;q=0.001", True),
    ],
)
def test_who_takes_gzip(accept: str, takes: bool) -> None:
    assert takes_gzip(accept) is takes


@given(st.text())
def test_no_field_breaks_the_choice(accept: str) -> None:
    assert takes_gzip(accept) in (True, False)


@given(st.binary(max_size=5_000))
def test_what_is_packed_comes_out_as_it_was(body: bytes) -> None:
    assert gzip.decompress(gzipped(body)) == body


def test_one_answer_has_many_lengths() -> None:
    lengths = {len(gzipped(b"the same" * 500)) for _ in range(300)}

    assert len(lengths) > 50


@given(st.dictionaries(st.text(max_size=3), st.integers(), min_size=1), st.dictionaries(st.just("z~"), st.integers()))
def test_what_is_added_to_octets_is_what_is_added_to_an_object(body: dict[str, int], more: dict[str, Any]) -> None:
    assert json.loads(with_more(json.dumps(body).encode(), more)) == {**body, **more}
    assert with_more(body, more) == with_more(with_more(body, {}), more)


async def test_a_long_answer_is_packed_for_who_takes_it(doctor: httpx2.AsyncClient) -> None:
    plain = await doctor.post(GRAPHQL, json=LONG, headers={"accept-encoding": "identity"})
    packed = await doctor.post(GRAPHQL, json=LONG, headers={"accept-encoding": "gzip"})
    short = await doctor.post(GRAPHQL, json=SHORT, headers={"accept-encoding": "gzip"})

    assert packed.headers["content-encoding"] == "gzip"
    assert packed.json() == plain.json()
    assert int(packed.headers["content-length"]) < len(plain.content) / 2
    assert "content-encoding" not in plain.headers
    assert "content-encoding" not in short.headers
    assert all("accept-encoding" in each.headers["vary"].lower() for each in (plain, packed, short))


async def test_a_full_house_says_so_at_once_and_takes_in_again(
    serving: Serving, tmp_path_factory: pytest.TempPathFactory
) -> None:
    world = serving.world
    async with serving_over(
        world.tenant.database,
        serving.directory.database,
        tmp_path_factory.mktemp("full"),
        world.clock,
        limits=Limits(operations_at_once=1),
    ) as small:
        _, token = await small.professional()
        client = small.client(token)
        nobody = node_id(Node.PATIENT, uuid4())
        query = {"query": "query ($p: ID!) { dossier(patientId: $p) { __typename } }", "variables": {"p": nobody}}
        first = await client.post(GRAPHQL, json=query)

        answers = await asyncio.gather(*(client.post(GRAPHQL, json=query) for _ in range(20)))

        refused = [each for each in answers if each.status_code == 503]
        assert refused
        assert {each.json()["errors"][0]["extensions"]["code"] for each in refused} == {"GATEWAY_BUSY"}
        assert {each.headers["retry-after"] for each in refused} == {"1"}
        assert {each.status_code for each in answers} <= {200, 503}
        assert (await client.post(GRAPHQL, json=query)).json() == first.json()
