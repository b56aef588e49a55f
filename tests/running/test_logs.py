"""What a log may hold, and what it never does."""

from __future__ import annotations

import json
import logging
from datetime import datetime
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
from passerelle_graphql.following import Streams
from passerelle_graphql.ids import Node, node_id
from passerelle_ops import logs
from passerelle_ops.asgi import AccessLog
from passerelle_ops.settings import Settings
from tests.logged import logged_as_before as logged_as_before

INS = "269054958815780"


@given(st.from_regex(r"[12][0-9]{4}(2A|2B|[0-9]{2})[0-9]{6}([0-9]{2})?", fullmatch=True), st.text(" .,:=/'\"()"))
def test_a_matricule_is_struck_out_of_any_text(matricule: str, around: str) -> None:
    event = logs.struck_out(None, "", {"event": f"{around}{matricule}{around}", "count": 3})
    assert matricule not in event["event"]
    assert event["count"] == 3


@given(
    st.from_regex(r"[12][0-9]{4}(2A|2B|2a|[0-9]{2})[0-9]{6}([0-9]{2})?", fullmatch=True),
    st.lists(st.sampled_from(("", "", " ", "\u00a0", "\u202f", ".")), min_size=15, max_size=15),
)
def test_written_in_groups_it_is_struck_out_too(matricule: str, between: list[str]) -> None:
    written = "".join(f"{each}{apart}" for each, apart in zip(matricule, between, strict=False)).rstrip(
        " .\u00a0\u202f"
    )
    assert logs.struck_out(None, "", {"event": f"patient {written}, né"})["event"] == "patient …, né"


class _Row:
    def __repr__(self) -> str:
        return f"<Row {INS}>"


@pytest.mark.parametrize(
    "value",
    [
        [{"who": (INS, f"INS {INS}")}],
        {INS: {"deep": [[INS]]}},
        {"set": {INS}, "number": int(INS), "2 69 05 49 588 157 80": None},
        _Row(),
        INS.encode(),
    ],
)
def test_however_deep_it_is_struck_out(value: object, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Settings())
    structlog.get_logger("test").warning("kept", about=value, **{INS: 1})
    said = capsys.readouterr().err
    assert INS not in said
    assert "588" not in said
    assert "…" in said


@given(st.uuids(), st.datetimes(), st.floats(allow_nan=False), st.integers(-(10**11), 10**11), st.booleans())
def test_ids_instants_and_counts_stay(known: UUID, at: datetime, seconds: float, count: int, is_so: bool) -> None:
    event = {"id": str(known), "at": at.isoformat(), "seconds": seconds, "counts": [count], "so": is_so, "none": None}
    assert logs.struck_out(None, "", dict(event)) == event


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
    app.add_middleware(AccessLog, streams=Streams())
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
