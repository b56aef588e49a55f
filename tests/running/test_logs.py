"""What a log may hold, and what it never does."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from uuid import UUID

import httpx2
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from passerelle.kernel.errors import BrokenIntegrity
from passerelle_graphql.ids import Node, node_id
from passerelle_ops import logs
from passerelle_ops.asgi import AccessLog
from passerelle_ops.settings import Settings

INS = "269054958815780"


@given(st.from_regex(r"[12][0-9]{4}(2A|2B|[0-9]{2})[0-9]{6}([0-9]{2})?", fullmatch=True), st.text(" .,:=/'\"()"))
def test_a_matricule_is_struck_out_of_any_text(matricule: str, around: str) -> None:
    event = logs.struck_out(None, "", {"event": f"{around}{matricule}{around}", "count": 3})
    assert matricule not in event["event"]
    assert event["count"] == 3


def test_an_exception_is_told_by_class_and_place(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Settings())
    try:
        raise ValueError(f"duplicate key {INS} of DUPONT")
    except ValueError:
        structlog.get_logger("test").exception("went wrong")
        logging.getLogger("library").exception("of DUPONT")
        logging.getLogger("library").warning("patient %s", INS)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line.get("error") for line in lines] == ["ValueError", "ValueError", None]
    assert all("test_logs.py" in line["where"] for line in lines[:2])
    said = json.dumps(lines)
    assert "DUPONT" not in said
    assert INS not in said


def test_a_failure_of_ours_is_told_with_its_code() -> None:
    assert logs.place(BrokenIntegrity("JOURNAL_HEAD_BROKEN"))["code"] == "JOURNAL_HEAD_BROKEN"
    assert "code" not in logs.place(ValueError("DUPONT"))


async def test_a_request_is_one_line_without_its_query(capsys: pytest.CaptureFixture[str]) -> None:
    async def fine(_: Request) -> PlainTextResponse:
        return PlainTextResponse("fine", headers={"passerelle-request-id": "r1"})

    async def broken(_: Request) -> PlainTextResponse:
        raise ValueError("DUPONT")

    async def closed(_: Request) -> PlainTextResponse:
        return PlainTextResponse("no token", status_code=401)

    logs.configure(Settings())
    known = node_id(Node.DOCUMENT, UUID(int=1))
    app = Starlette(
        routes=[
            Route("/fine", fine),
            Route("/broken", broken),
            Route("/health/live", fine),
            Route("/{tenant}/documents/{id}", closed, methods=["GET"]),
        ]
    )
    app.add_middleware(AccessLog)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://test") as client:
        await client.get("/fine?name=DUPONT")
        assert (await client.get("/broken")).json() == {"code": "INTERNAL_ERROR"}
        await client.get("/DUPONT")
        await client.get("/health/live")
        await client.get("/oncomip/documents/DUPONT")
        await client.post("/DUPONT/documents/x")
        await client.get(f"/oncomip/documents/{known}")
    said = capsys.readouterr().err
    assert "DUPONT" not in said
    lines = [json.loads(line) for line in said.splitlines()]
    assert [(line["event"], line.get("path"), line.get("status")) for line in lines] == [
        ("request", "/fine", 200),
        ("unexpected", None, None),
        ("request", "/broken", 500),
        ("request", "unknown", 404),
        ("request", "unknown", 401),
        ("request", "unknown", 405),
        ("request", f"/oncomip/documents/{known}", 401),
    ]
    assert lines[0]["request_id"] == "r1"


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    structlog.reset_defaults()
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
