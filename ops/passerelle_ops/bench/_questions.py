"""What a reader may ask of the gateway about a record, and the octets that come back.

Every list with its filters, totals and cursors, each document and its content, the acts that name one, the journal.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from starlette.types import ASGIApp, Message

from passerelle.identities.ins import Ins
from passerelle_graphql.committed import committed
from passerelle_graphql.ids import Node, node_id
from passerelle_ops.bench._stage import RPPS

TENANT: Final = "twin"
GRAPHQL: Final = f"/{TENANT}/graphql"
_ALL: Final = ("CURRENT", "SUPERSEDED", "ARCHIVED", "DELETED")
#: Filters of lists: one by default, all that was ever filed, and one of each kind.
FILTERS: Final[Sequence[Mapping[str, Any]]] = (
    {},
    {"statuses": _ALL, "wholeHistory": True},
    {"statuses": ["SUPERSEDED"], "wholeHistory": True},
    {"statuses": ["ARCHIVED"], "wholeHistory": True},
    {"types": ["11488-4", "60591-5"], "wholeHistory": True},
    {"authors": [RPPS["nurse"], RPPS["gp"]], "wholeHistory": True},
)
_PAGE: Final = """query Page($patientId: ID!, $filter: DocumentFilter, $first: Int, $after: String) {
  dossier(patientId: $patientId) {
    ... on Dossier {
      documents(filter: $filter, first: $first, after: $after) {
        totalCount
        nodes { id status masked hiddenUntil hiddenFromRepresentatives formatCode sha256 }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
      }
    }
    ... on Problem { code }
  }
}"""
_ACTS: Final = ("MaskDocument", "UnmaskDocument", "ArchiveDocument", "DeleteDocument", "HideFromPatient")
_PDF: Final = base64.b64encode(b"%PDF-1.4\n%%EOF\n").decode()
#: Lines are numbered over a whole network: what is between two of a patient's is anybody's (decision 0090).
_LINE_NUMBERS: Final = re.compile(rb'("(?:id|cursor|endCursor)":)"[^"]*"')


@dataclass(frozen=True, slots=True)
class Question:
    """One request. `numbers_lines`: its answer shows numbers of lines of the journal, which do not count."""

    method: str
    path: str
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    numbers_lines: bool = field(default=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers in their order, octets."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


def operation(name: str, **variables: Any) -> Question:
    """A committed operation."""
    asked = {"query": committed()[name], "operationName": name, "variables": variables}
    return Question("POST", GRAPHQL, json.dumps(asked).encode(), (("content-type", "application/json"),))


def of_the_record(patient_id: UUID, kept: Mapping[str, Any]) -> list[Question]:
    """A list under a filter, whole and by one, and its total."""
    about = {"patientId": node_id(Node.PATIENT, patient_id), "filter": kept}
    return [
        operation("OpenDossier", **about),
        operation("OpenDossier", **about, first=1),
        operation("CountDocuments", **about),
        _page(about),
    ]


def _page(about: Mapping[str, Any]) -> Question:
    """What the committed operations do not ask of a page."""
    asked = {"query": _PAGE, "operationName": "Page", "variables": {**about, "first": 1}}
    return Question("POST", GRAPHQL, json.dumps(asked).encode(), (("content-type", "application/json"),))


def next_page(question: Question, answer: Answer) -> Question | None:
    """The page after this one, when the answer says that there is one."""
    asked = json.loads(question.body)
    if asked["operationName"] not in {"OpenDossier", "Page"}:
        return None
    given = json.loads(answer.body)
    page = (((given.get("data") or {}).get("dossier") or {}).get("documents") or {}).get("pageInfo") or {}
    if not page.get("hasNextPage"):
        return None
    return _after(question, page["endCursor"])


def _after(question: Question, cursor: str) -> Question:
    asked = json.loads(question.body)
    asked["variables"]["after"] = cursor
    return replace(question, body=json.dumps(asked).encode())


def of_a_document(document_id: UUID) -> list[Question]:
    """A document, its content whole, in part and on condition, and its view."""
    identifier = node_id(Node.DOCUMENT, document_id)
    content = f"/{TENANT}/documents/{identifier}/content"
    return [
        operation("OpenDocument", id=identifier),
        Question("GET", content),
        Question("HEAD", content),
        Question("GET", content, headers=(("range", "bytes=0-3"),)),
        Question("GET", content, headers=(("range", "bytes=99999-"),)),
        Question("GET", content, headers=(("if-none-match", "*"),)),
        Question("GET", f"/{TENANT}/documents/{identifier}/view"),
    ]


def naming(document_id: UUID, unique_id: str, ins: Ins) -> list[Question]:
    """Acts that name a document which the reader may not know of."""
    identifier = node_id(Node.DOCUMENT, document_id)
    metadata = {
        "uniqueId": f"{unique_id}.9",
        "type": "11488-4",
        "title": "Essai",
        "creationTime": "20261110",
        "patient": {"identifiers": [{"oid": ins.oid, "value": ins.value}], "familyName": "ESSAI"},
    }
    return [
        *(operation(each, documentId=identifier) for each in _ACTS),
        operation("ShowToPatient", documentId=identifier, confirm=True),
        operation("MaskDocumentFrom", documentId=identifier, rpps=RPPS["passer"]),
        operation(
            "ReplaceDocument", documentId=identifier, submission={"pdf": {"content": _PDF, "metadata": metadata}}
        ),
    ]


def of_whom(patient_id: UUID) -> list[Question]:
    """What is not about documents: the journal whole and in part, who may come in, the emergencies, the notices, the
    way out."""
    identifier = node_id(Node.PATIENT, patient_id)
    journals = [
        operation("Journal", patientId=identifier, first=100),
        operation("Journal", patientId=identifier, first=100, emergenciesOnly=True),
        operation("Journal", patientId=identifier, first=2, rpps=RPPS["gp"]),
    ]
    return [
        *(replace(each, numbers_lines=True) for each in journals),
        operation("Authorizations", patientId=identifier),
        operation("EmergencyAccesses", patientId=identifier, first=20),
        operation("Notices", first=20),
        operation("RecordExport", patientId=identifier),
    ]


def lines_before(patient_id: UUID, until: datetime) -> Question:
    """The journal up to an instant; asking again adds nothing to it."""
    return operation("Journal", patientId=node_id(Node.PATIENT, patient_id), first=100, until=until.isoformat())


def next_lines(question: Question, answer: Answer) -> Question | None:
    """The page of the journal after this one, in the same database."""
    page = ((json.loads(answer.body).get("data") or {}).get("journal") or {}).get("pageInfo") or {}
    return _after(question, page["endCursor"]) if page.get("hasNextPage") else None


def comparable(question: Question, answer: Answer) -> Answer:
    """An answer without what may differ between two worlds, which is next to nothing."""
    if not question.numbers_lines:
        return answer
    without = _LINE_NUMBERS.sub(rb'\1""', answer.body)
    headers = tuple(each for each in answer.headers if each[0] != b"content-length")
    return Answer(answer.status, headers, without)


def but_visits(answer: Answer, unsaid: frozenset[str]) -> object:
    """An answer to a representative without what a visit of these professionals (RPPS) shows and a hidden document
    takes away: their lines, the reasons of their emergencies, and the cursors of a page made shorter."""
    return answer.status, _but_visits(json.loads(answer.body), unsaid)


def _but_visits(said: object, unsaid: frozenset[str]) -> object:
    if isinstance(said, list):
        return [_but_visits(each, unsaid) for each in said if not _is_line_of(each, unsaid)]
    if isinstance(said, dict):
        dropped = {"pageInfo", *(("reason",) if said.get("rpps") in unsaid else ())}
        return {name: _but_visits(each, unsaid) for name, each in said.items() if name not in dropped}
    return said


def _is_line_of(said: object, unsaid: frozenset[str]) -> bool:
    node = said.get("node", said) if isinstance(said, dict) else None
    actor = node.get("actor") if isinstance(node, dict) else None
    return isinstance(actor, dict) and actor.get("rpps") in unsaid


async def ask(app: ASGIApp, question: Question, headers: Sequence[tuple[str, str]] = ()) -> Answer:
    """Put a question to an ASGI application: its routes, its limits, its decisions, without a socket."""
    return await _Exchange(question, headers).through(app)


class _Exchange:
    def __init__(self, question: Question, headers: Sequence[tuple[str, str]]) -> None:
        given = (("host", "passerelle.test"), *question.headers, *headers, ("content-length", str(len(question.body))))
        self._scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": question.method,
            "scheme": "http",
            "path": question.path,
            "raw_path": question.path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in given],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }
        self._incoming = self._messages(question.body)
        self._said: list[Message] = []

    @staticmethod
    async def _messages(body: bytes) -> AsyncIterator[Message]:
        yield {"type": "http.request", "body": body, "more_body": False}
        while True:
            yield {"type": "http.disconnect"}

    async def _receive(self) -> Message:
        return await anext(self._incoming)

    async def _send(self, message: Message) -> None:
        self._said.append(message)

    async def through(self, app: ASGIApp) -> Answer:
        await app(self._scope, self._receive, self._send)
        started, *pieces = self._said
        body = b"".join(each.get("body", b"") for each in pieces)
        return Answer(started["status"], tuple((bytes(n), bytes(v)) for n, v in started["headers"]), body)
