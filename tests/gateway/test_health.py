"""Signs of life, without a word to outsiders."""

from __future__ import annotations

import asyncio

import httpx2
from starlette.applications import Starlette
from starlette.routing import Route

from passerelle_graphql.health import Health
from tests.gateway.serving import Serving


def _client(health: Health) -> httpx2.AsyncClient:
    app = Starlette(routes=[Route("/live", health.live), Route("/ready", health.ready)])
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://passerelle.test")


async def test_the_gateway_lives_and_is_ready(serving: Serving) -> None:
    for path, status in (("/health/live", "live"), ("/health/ready", "ready")):
        response = await serving.client().get(path)
        assert (response.status_code, response.json()) == (200, {"status": status})
        assert response.headers["cache-control"] == "no-store"


async def test_a_component_away_makes_it_not_ready_and_is_not_named() -> None:
    async def well() -> None:
        return None

    async def away() -> None:
        raise ConnectionError("postgres at 10.0.0.5 refused")

    async with _client(Health({"directory": well, "broker": away})) as client:
        ready, live = await client.get("/ready"), await client.get("/live")

    assert (ready.status_code, ready.json()) == (503, {"status": "not ready"})
    assert ready.headers["retry-after"]
    assert "broker" not in ready.text
    assert live.status_code == 200


async def test_a_component_that_hangs_does_not_hang_the_answer() -> None:
    async def forever() -> None:
        await asyncio.Event().wait()

    async with _client(Health({"directory": forever})) as client:
        answer = await asyncio.wait_for(client.get("/ready"), 10)

    assert answer.status_code == 503


async def test_many_who_ask_at_once_ask_the_components_once() -> None:
    asked = 0

    async def slowly() -> None:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.05)

    async with _client(Health({"directory": slowly})) as client:
        answers = await asyncio.gather(*(client.get("/ready") for _ in range(20)))

    assert {each.status_code for each in answers} == {200}
    assert asked == 1
