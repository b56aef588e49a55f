"""Coming to the region as anyone would: over HTTP, with a token, and saying in few words what was seen."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Self

import httpx2

from passerelle.identities.ins import Ins
from passerelle_graphql.committed import committed
from passerelle_ops.demo.casting import STORY_TENANT
from passerelle_ops.demo.people import Cast, DemoPerson, DemoProfessional, Part
from passerelle_ops.demo.signing_in import SignIn
from passerelle_ops.settings import Settings
from passerelle_ops.stack.state import StackInfo

ME: Final = "{ me { kind name rpps patientId software } }"
BREAK_GLASS: Final = "break_glass"
PATIENT: Final = "query P($ins: InsInput!) { patient(by: {ins: $ins}) { __typename ... on Patient { id } ...P } } "
DOSSIER: Final = (
    "query D($id: ID!, $filter: DocumentFilter, $after: String) { dossier(patientId: $id) { __typename ... on Dossier"
    " { state documents(filter: $filter, first: 100, after: $after) { totalCount nodes { id title status masked"
    " hiddenFromPatient sha256 size contentUrl } } } ...P } }"
)
DOCUMENT: Final = (
    "query V($id: ID!) { document(id: $id) { __typename ... on OpenedDocument { document { title }"
    " versions { title status } } ...P } }"
)
JOURNAL: Final = (
    "query J($id: ID!) { journal(patientId: $id, first: 100) { __typename ... on JournalConnection"
    " { nodes { allowed code action kind actor { name software } } } ...P } }"
)
CLOSE: Final = (
    'mutation C($id: ID!) { closeDossier(patientId: $id, reason: "essai") '
    "{ __typename ... on DossierChange { state } ...P } }"
)
REOPEN: Final = (
    'mutation R($id: ID!) { reopenDossier(patientId: $id, proof: "accord écrit") '
    "{ __typename ... on DossierChange { state } ...P } }"
)
_PROBLEM: Final = " fragment P on Problem { code message }"


class Answer:
    """What came back: the status, the JSON, and the code of what was not done."""

    def __init__(self, response: httpx2.Response) -> None:
        self.response = response
        self.status = response.status_code
        try:
            self.json: dict[str, Any] = response.json()
        except ValueError:
            self.json = {}

    @property
    def first(self) -> dict[str, Any]:
        """The first field of `data`, or nothing."""
        data = self.json.get("data") or {}
        return next((each for each in data.values() if isinstance(each, dict)), {})

    @property
    def code(self) -> str | None:
        """The stable code of a refusal, wherever it stands."""
        for error in self.json.get("errors") or ():
            code = (error.get("extensions") or {}).get("code")
            return str(code) if code else "GRAPHQL"
        code = self.first.get("code") or self.json.get("code")
        return str(code) if code else None

    def said(self, otherwise: str = "accordé") -> str:
        """In a few words: the refusal, else `otherwise`."""
        if self.status >= 400:
            return f"{self.status} {self.code}"
        return f"refusé ({self.code})" if self.code else otherwise


class Visit:
    """A client of the running web process, and the desk where anyone's token is had."""

    def __init__(self, settings: Settings, info: StackInfo) -> None:
        self.settings = settings
        self.desk = SignIn(settings, info)
        self.cast: Cast = self.desk.story
        self._http = httpx2.Client(base_url=info.url("web"), timeout=30.0)
        self._patients: dict[str, str] = {}
        self._exports: dict[tuple[str, str], bytes] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def token(self, who: Part | DemoProfessional | DemoPerson) -> str:
        """Somebody's token."""
        return self.desk.person(who) if isinstance(who, DemoPerson) else self.desk.professional(who)

    def officer(self) -> str:
        """The token of the network's data-protection officer."""
        return self.desk.officer(STORY_TENANT)

    def authority(self) -> str:
        """The token of the health authority."""
        return self.desk.authority(STORY_TENANT)

    def cancer_network(self) -> str:
        """The token of the regional cancer network."""
        return self.desk.cancer_network(STORY_TENANT)

    def ask(
        self,
        token: str | None,
        query: str,
        variables: Mapping[str, object] | None = None,
        *,
        tenant: str = STORY_TENANT,
    ) -> Answer:
        """One GraphQL request by POST."""
        text = query + _PROBLEM if "...P" in query else query
        headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
        body = {"query": text, "variables": dict(variables or {})}
        return Answer(self._http.post(f"/{tenant}/graphql", json=body, headers=headers))

    def do(self, token: str, operation: str, *, mode: str = "", at: str = STORY_TENANT, **variables: object) -> Answer:
        """One of the operations that are committed with the gateway, in a mode of access and a network."""
        headers = {"Authorization": f"Bearer {token}"} | ({"Passerelle-Mode": mode} if mode else {})
        body = {"query": committed()[operation], "operationName": operation, "variables": variables}
        return Answer(self._http.post(f"/{at}/graphql", json=body, headers=headers))

    def get(self, path: str, token: str | None = None, **headers: str) -> Answer:
        """One GET."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            given["Authorization"] = f"Bearer {token}"
        return Answer(self._http.get(path, headers=given))

    def patient_id(self, person: DemoPerson) -> str:
        """The id of a patient, as he is told it himself: that is no access to his record."""
        if person.ins.value not in self._patients:
            said = self.ask(self.token(person), ME)
            if not said.first.get("patientId"):
                raise LookupError(said.said())
            self._patients[person.ins.value] = str(said.first["patientId"])
        return self._patients[person.ins.value]

    def look_up(self, token: str, ins: Ins) -> Answer:
        """Look a patient up by INS."""
        return self.ask(token, PATIENT, {"ins": {"oid": ins.oid, "value": ins.value}})

    def open(self, token: str, person: DemoPerson, **filters: object) -> Answer:
        """Open somebody's record."""
        return self.ask(token, DOSSIER, {"id": self.patient_id(person), "filter": filters or None})

    def documents(self, token: str, person: DemoPerson, **filters: object) -> list[dict[str, Any]]:
        """The documents seen in somebody's record."""
        page = self.open(token, person, **filters).first.get("documents") or {}
        return list(page.get("nodes") or ())

    def document_count(self, token: str, person: DemoPerson, **filters: object) -> str:
        """How many documents are seen, or why none is."""
        answer = self.open(token, person, **filters)
        page = answer.first.get("documents") or {}
        nodes, total = page.get("nodes") or (), page.get("totalCount")
        told = f"{len(nodes)} documents" if len(nodes) != 1 else "1 document"
        if total is not None and total != len(nodes):
            told += f" sur {total}"
        return answer.said(told)

    def journal(self, person: DemoPerson) -> list[dict[str, Any]]:
        """The newest lines of a patient's journal, read by herself."""
        answer = self.ask(self.token(person), JOURNAL, {"id": self.patient_id(person)})
        return list(answer.first.get("nodes") or ())

    def export_url(self, token: str, patient: DemoPerson) -> str:
        """Where a record is taken away."""
        return str(self.do(token, "RecordExport", patientId=self.patient_id(patient)).first["url"])

    def export(self, who: DemoPerson, patient: DemoPerson) -> zipfile.ZipFile:
        """A whole record, taken away once by each who asks."""
        key = (who.ins.value, patient.ins.value)
        if key not in self._exports:
            token = self.token(who)
            taken = self.get(self.export_url(token, patient), token)
            if taken.status != httpx2.codes.OK:
                raise LookupError(taken.said())
            self._exports[key] = taken.response.content
        return zipfile.ZipFile(io.BytesIO(self._exports[key]))

    def notices(self, who: Part | DemoPerson) -> list[dict[str, Any]]:
        """The newest notices in somebody's inbox."""
        edges = self.do(self.token(who), "Notices", first=50).first.get("edges") or ()
        return [each["node"] for each in edges]

    def content(self, token: str, url: str, *, ranges: str | None = None) -> tuple[int, bytes]:
        """The octets of a document, or a part of them."""
        headers = {"Authorization": f"Bearer {token}"} | ({"Range": ranges} if ranges else {})
        response = self._http.get(url, headers=headers)
        return response.status_code, response.content


def fingerprint(octets: bytes) -> str:
    """As the entry of a document gives it."""
    return hashlib.sha256(octets).hexdigest()
