"""A document that a reader may not see changes no octet that he is answered, in whichever network it is and he asks.

The clocks stand still: what is asked before and after it was filed, and at each step of its way to the other network,
may differ by nothing. What is told of networks is the manifest, the record asked for at home, the addresses of
contents, and decisions under way.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID, uuid4

import httpx2
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from passerelle.audit.transactions import transaction
from passerelle.dossier import visibility
from passerelle.identities.directory import Practice, Professional
from passerelle_graphql.ids import Node, node_id
from passerelle_tenants.federation.addressing import address
from passerelle_tenants.federation.kinds.document_marks import DocumentMarks
from passerelle_tenants.federation.kinds.documents import Documents
from passerelle_tenants.federation.kinds.dossiers import Dossiers
from passerelle_tenants.federation.kinds.relations import Relations
from passerelle_tenants.federation.office import Office
from passerelle_tenants.federation.sending import send_due
from passerelle_tenants.federation.tables import patient_place
from passerelle_tenants.federation.taking_in import take_in
from passerelle_tenants.federation.travellers import Kinds
from passerelle_tenants.tables import tenant as recorded
from tests import builders
from tests.conftest import Template
from tests.federation.exchange import Post
from tests.gateway.records import Record
from tests.gateway.region import HOME, Region, region_of
from tests.gateway.serving import TENANT, Serving

NETWORKS: Final = (TENANT, HOME)
#: What is each request's own.
_OF_THE_REQUEST: Final = frozenset({"passerelle-request-id", "requestId", "request_id", "instance", "date"})
_EXAMPLES = 3 if settings().max_examples < 1000 else settings().max_examples
_SHOWN: Final = "id title status masked hiddenFromPatient keptBy contentUrl size"
_RECORD: Final = f"""query ($id: ID!) {{ dossier(patientId: $id) {{
  ... on Dossier {{
    sources {{ network name state asOf }}
    documents(filter: {{wholeHistory: true}}) {{ totalCount nodes {{ {_SHOWN} }} pageInfo {{ hasNextPage endCursor }} }}
  }}
  ... on Problem {{ code message }} }} }}"""
_ELSEWHERE: Final = """query ($id: ID!) { recordElsewhere(patientId: $id, filter: {wholeHistory: true}) {
  ... on RecordElsewhere {
    home totalCount pageInfo { hasNextPage endCursor } sources { network name state asOf }
    documents { contentUrl document { id title keptBy masked } }
  }
  ... on Problem { code message } } }"""
_UNDER_WAY: Final = """query ($id: ID!) { decisionsUnderWay(documentId: $id) {
  ... on DecisionsUnderWay { networks { network name since } } ... on Problem { code message } } }"""


@dataclass(slots=True)
class Crossing:
    """A patient whose documents lie in both networks, the post between them, and a reader from outside."""

    region: Region
    record: Record
    at_home: UUID
    post: Post = field(default_factory=Post)
    offices: dict[str, Office] = field(default_factory=dict)
    seen: list[UUID] = field(default_factory=list)

    def patient_in(self, network: str) -> UUID:
        return self.at_home if network == HOME else self.record.patient_id

    def world(self, network: str) -> builders.World:
        return self.region.home if network == HOME else self.region.serving.world

    async def begin(self) -> None:
        """A document in each that both readers see, at rest everywhere."""
        for each in self.region.tenants.values():
            office = self.region.office(each)
            kinds = Kinds((Dossiers(), Relations(), Documents(), DocumentMarks()))
            self.offices[each.id] = Office(
                tenant=each,
                directory=office.directory,
                keyring=office.keyring,
                kinds=kinds,
                carrier=self.post,
                clock=office.clock,
            )
        place = {"patient_id": self.at_home, "tenant_id": TENANT, "is_home": False}
        async with self.region.home.tenant.database.transaction() as connection:
            await connection.execute(insert(patient_place).values(**place, since=self.region.home.clock.now()))
        for network in NETWORKS:
            self.seen.append(await self.world(network).publish(self.patient_in(network), builders.document()))
        for _ in range(2):
            for network in NETWORKS:
                await self.turn(network)
                await self.deliver()

    async def turn(self, network: str) -> None:
        await address(self.offices[network])
        await send_due(self.offices[network])

    async def deliver(self) -> None:
        while self.post.bag:
            to_network, envelope = self.post.bag.pop(0)
            taken = await take_in(self.offices[to_network], envelope)
            assert (taken.reason, taken.refused) == ("", 0)

    async def file(self, network: str, *, hidden: bool) -> UUID:
        """A document that the doctor (masked) or the patient (hidden from him) must not learn of."""
        world, patient_id = self.world(network), self.patient_in(network)
        if not hidden:
            return await world.publish(patient_id, builders.document(masked=True))
        author = builders.professional()
        document_id = await world.publish(patient_id, builders.document(author=author, hidden_from_patient=True))
        async with transaction(world.context(author)) as act:
            await visibility.archive(act, document_id)
            await visibility.unarchive(act, document_id)
        return document_id

    async def told(self, reader: httpx2.AsyncClient) -> list[bytes]:
        """All that a reader is answered in both networks, octet by octet."""
        answers = []
        for network in NETWORKS:
            patient = node_id(Node.PATIENT, self.patient_in(network))
            answers += [await _posted(reader, network, text, patient) for text in (_RECORD, _ELSEWHERE)]
            for document_id in self.seen:
                answers.append(await _posted(reader, network, _UNDER_WAY, node_id(Node.DOCUMENT, document_id)))
        return answers

    async def denied(self, reader: httpx2.AsyncClient, document_id: UUID) -> None:
        """The document itself is answered as one that never was."""
        for network in NETWORKS:
            answers = []
            for each in (document_id, uuid4()):
                document, answered = node_id(Node.DOCUMENT, each), []
                answered.append(await _posted(reader, network, _UNDER_WAY, document))
                for other in NETWORKS:
                    answered += [await _got(reader, path) for path in _addresses(network, other, document)]
                answers.append([one.replace(document.encode(), b"ID") for one in answered])
            assert answers[0] == answers[1]


def _addresses(network: str, keeper: str, document: str) -> list[str]:
    elsewhere = [f"/{network}/elsewhere/{keeper}/documents/{document}"] if keeper != network else []
    return [f"/{network}/documents/{document}/content", *elsewhere]


async def _posted(reader: httpx2.AsyncClient, network: str, query: str, key: str) -> bytes:
    response = await reader.post(f"/{network}/graphql", json={"query": query, "variables": {"id": key}})
    return bytes(response.content)


async def _got(reader: httpx2.AsyncClient, path: str) -> bytes:
    response = await reader.get(path)
    headers = {name: value for name, value in response.headers.items() if name not in _OF_THE_REQUEST}
    if "problem" in headers["content-type"]:
        said = {name: value for name, value in response.json().items() if name not in _OF_THE_REQUEST}
        return repr((response.status_code, said)).encode()
    return repr((response.status_code, headers, response.content)).encode()


@pytest.fixture(scope="module")
async def region(
    serving: Serving, tenant_template: Template, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Region]:
    third = {"tenant_id": "bourgogne", "name": "e-Santé Bourgogne", "is_test": True, "settings": {}}
    async with serving.directory.database.transaction() as connection:
        await connection.execute(insert(recorded).values(**third, created_at=serving.gateway.clock.now()))
    async for home in tenant_template.clone():
        async with region_of(serving, home.database, tmp_path_factory.mktemp("home")) as made:
            yield made


@settings(max_examples=_EXAMPLES, phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck))
@given(filed=st.lists(st.tuples(st.sampled_from(NETWORKS), st.booleans()), min_size=1, max_size=2))
async def test_what_is_out_of_sight_changes_no_octet_in_any_network(
    region: Region, filed: list[tuple[str, bool]]
) -> None:
    record, at_home = await region.visit()
    doctor = record.doctor_actor
    practices = tuple(Practice(tenant_id=each) for each in NETWORKS)
    known = Professional(rpps=doctor.id, family_name="ESSAI", given_name="D", profession="10", practices=practices)
    await region.serving.directory.register_professionals([known])
    crossing = Crossing(region, record, at_home)
    await crossing.begin()
    readers = {False: record.doctor, True: record.patient}
    for network, hidden in filed:
        reader = readers[hidden]
        before = await crossing.told(reader)
        document_id = await crossing.file(network, hidden=hidden)
        assert await crossing.told(reader) == before
        await crossing.turn(network)
        await crossing.deliver()
        assert await crossing.told(reader) == before
        await crossing.denied(reader, document_id)
