"""The two committed operations that the gateway is measured by, and the requests that ask them.

`OpenDossier` shows a full page of a heavy record; `Journal` reads the first page of a long journal and a later one in
turns, as the attending physician does.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from http import HTTPStatus
from typing import Any, Final
from uuid import UUID

from psycopg import AsyncConnection

from passerelle_graphql.committed import committed
from passerelle_graphql.ids import Node, line_cursor, node_id
from passerelle_ops.bench._bare import PAGE
from passerelle_ops.bench._ground import Ground
from passerelle_ops.bench._http import Connection, connected, request
from passerelle_ops.bench._population import Opening
from passerelle_ops.bench._rounds import Ask, Busy
from passerelle_ops.demo.issuer import FOLDER, DemoIssuer, Practice

_COMPARED: Final = 12
#: Before everything: documents of a ground are two years old at most.
_LONG_AGO: Final = "2000-01-01T00:00:00Z"
_LATER: Final = 2 * PAGE
#: For each patient, the line after which two pages have been read.
_CURSORS: Final = """
select patient_id, line_id from unnest(%s::uuid[]) as asked(patient_id), lateral (
  select line_id from journal where journal.patient_id = asked.patient_id order by line_id desc offset %s limit 1
) as at_end
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One asking: who, about whom, with which variables."""

    opening: Opening
    variables: Mapping[str, Any]

    @property
    def patient_id(self) -> UUID:
        return UUID(self.opening.patient_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A committed operation and what to ask it. `suffix` ends the names of its sides and figures.

    Every full answer holds `mark` in its first octets; `path` leads to its page. `p50_goal` is what its p50 may be of
    the bare statement's: with a fragment kept beside each row, no more than that itself. `compared` are turns whose
    answers stay the same while others are given: a page of documents begins at an instant, a page of the journal
    shows who just read it.
    """

    name: str
    suffix: str
    title: str
    mark: bytes
    p50_goal: float
    path: tuple[str, ...]
    turns: Sequence[Turn]
    compared: Sequence[Turn]

    def nodes(self, body: bytes) -> list[dict[str, Any]]:
        """What the page of an answer holds; nothing where it was refused."""
        page = json.loads(body).get("data") or {}
        for name in self.path:
            page = page.get(name) or {}
        return [each["node"] for each in page.get("edges", ())]


async def operations(ground: Ground) -> tuple[Operation, Operation]:
    """Both operations over the data of a ground."""
    dossiers = [_turn(each) for each in ground.openings]
    async with await AsyncConnection.connect(ground.tenant_url, autocommit=True) as connection:
        asked = [each.patient_id for each in ground.journals]
        found = await (await connection.execute(_CURSORS, (asked, _LATER))).fetchall()
    ends = {UUID(str(patient_id)): int(line_id) for patient_id, line_id in found}
    journals: list[Turn] = []
    for each in ground.journals:
        first = _turn(each)
        journals += [first, _turn(each, after=line_cursor(ends[first.patient_id]))]
    now = datetime.now(UTC).isoformat()
    return (
        Operation(
            name="OpenDossier",
            suffix="",
            title="Ouvrir un dossier",
            mark=b'"Dossier"',
            p50_goal=1.0,
            path=("dossier", "documents"),
            turns=dossiers,
            compared=[_with(each, filter={"since": _LONG_AGO}) for each in dossiers[:_COMPARED]],
        ),
        Operation(
            name="Journal",
            suffix="_journal",
            title="Lire un journal, page après page",
            mark=b'"JournalConnection"',
            p50_goal=1.6,
            path=("journal",),
            turns=journals,
            compared=[_with(each, until=now) for each in journals[:_COMPARED]],
        ),
    )


def _with(turn: Turn, **more: Any) -> Turn:
    return replace(turn, variables={**turn.variables, **more})


def _turn(opening: Opening, **more: Any) -> Turn:
    patient_id = node_id(Node.PATIENT, UUID(opening.patient_id))
    return Turn(opening=opening, variables={"patientId": patient_id, "first": PAGE, **more})


class Form(StrEnum):
    """How a client sends an operation."""

    PERSISTED = "persisted"
    """By the hash of a registered one."""
    POST = "post"
    """By its text."""


class Client:
    """Asks one gateway of a ground, each physician with his token. `server` is the process's name in the stack."""

    def __init__(self, ground: Ground, tokens: Mapping[str, str], server: str = "web") -> None:
        self._url = ground.info.url(server)
        self._path = f"{self._url}/{ground.tenant}/graphql"
        self._tokens = tokens

    def request(self, turn: Turn, text: str, name: str, form: Form = Form.POST) -> bytes:
        """The octets of one request."""
        asked: dict[str, Any] = {"operationName": name, "variables": turn.variables}
        if form is Form.PERSISTED:
            asked["extensions"] = {"persistedQuery": {"version": 1, "sha256Hash": sha256(text.encode()).hexdigest()}}
        else:
            asked["query"] = text
        headers = {
            "authorization": f"Bearer {self._tokens[turn.opening.rpps]}",
            "content-type": "application/json",
            "accept": "application/graphql-response+json",
        }
        return request("POST", self._path, headers, json.dumps(asked).encode())

    def asking(self, operation: Operation, form: Form) -> Callable[[], AbstractAsyncContextManager[Ask]]:
        """Connections that ask the turns of an operation; what it answers is only looked at."""
        text = committed()[operation.name]
        requests = [self.request(each, text, operation.name, form) for each in operation.turns]

        @asynccontextmanager
        async def client() -> AsyncIterator[Ask]:
            async with connected(self._url) as connection:

                async def ask(turn: int) -> None:
                    answer = await connection.ask(requests[turn % len(requests)])
                    if answer.status == HTTPStatus.SERVICE_UNAVAILABLE and answer.retry_after:
                        raise Busy(answer.status)
                    if answer.status == HTTPStatus.OK and b'"TryLater"' in answer.body[:120]:
                        raise Busy(answer.status)
                    if answer.status != HTTPStatus.OK or operation.mark not in answer.body[:120]:
                        raise ValueError(f"{operation.name} was not answered: {answer.status} {answer.body[:300]!r}")

                yield ask

        return client

    async def bodies(self, operation: Operation, form: Form) -> list[bytes]:
        """The answers to `compared`."""
        text = committed()[operation.name]
        async with self.connected() as connection:
            asked = [self.request(each, text, operation.name, form) for each in operation.compared]
            return [(await connection.ask(each)).body for each in asked]

    def connected(self) -> AbstractAsyncContextManager[Connection]:
        return connected(self._url)


def tokens_of(ground: Ground) -> dict[str, str]:
    """A token for each physician who reads, by RPPS number."""
    issuer = DemoIssuer(ground.settings.state / FOLDER, ground.info.url("issuer"), ground.settings.audience)
    readers = {each.rpps for each in (*ground.openings, *ground.journals)}
    return {
        each.rpps: issuer.mint_professional(
            rpps=each.rpps,
            family_name=each.family_name,
            given_name=each.given_name,
            profession="10",
            practices=[Practice(finess=each.finess)],
        )
        for each in ground.physicians
        if each.rpps in readers
    }
