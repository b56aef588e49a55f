"""A case referred from one network to the board of another, through the front door of both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import uuid4

import pytest
from starlette.applications import Starlette

from passerelle.kernel.context import Tenant
from passerelle.kernel.errors import InvalidInput
from passerelle_graphql.ids import Node, node_id
from passerelle_graphql.routes import routes
from passerelle_ops.elsewhere import OtherNetworks
from passerelle_ops.recourse import bind_recourse
from passerelle_ops.relay import Subscribers
from passerelle_ops.schedule import periodic_tasks, run_alone
from passerelle_tenants.federation.kinds.recourse import OverFederation
from tests import builders
from tests.conftest import Cloned, Template
from tests.gateway.serving import TENANT
from tests.journeys.boards import BIRTHPLACE, ONCOLOGIST, RADIOTHERAPIST, SURGEON, Hospital, answers, done, registers
from tests.journeys.conftest import Network, cda
from tests.oncology.recourse.two_networks import Exchange

EXPERTS = "ailleurs"


@dataclass(frozen=True, slots=True)
class Networks:
    """The networks of one installation, by their names."""

    tenants: dict[str, Tenant]
    exchange: Exchange

    async def tenant(self, tenant_id: str) -> Tenant:
        if tenant_id not in self.tenants:
            raise InvalidInput("TENANT_UNKNOWN", tenant=tenant_id)
        return self.tenants[tenant_id]

    async def all(self) -> tuple[Tenant, ...]:
        return tuple(self.tenants.values())


@pytest.fixture(scope="module")
async def elsewhere_database(tenant_template: Template) -> AsyncIterator[Cloned]:
    async for cloned in tenant_template.clone():
        yield cloned


@pytest.fixture(scope="module")
async def networks(network: Network, elsewhere_database: Cloned, tmp_path_factory: pytest.TempPathFactory) -> Networks:
    """The network of the journey, and another where experts are, behind one door."""
    there = builders.network(elsewhere_database.database, tmp_path_factory.mktemp("there"))
    serving = network.serving
    exchange = Exchange(serving.directory, serving.directory)
    both = Networks({TENANT: serving.world.tenant, EXPERTS: replace(there, id=EXPERTS, name="Ailleurs")}, exchange)
    await exchange.set_up(list(both.tenants.values()), network.clock)
    others = OtherNetworks(both.all, serving.directory)
    serving.gateway = replace(serving.gateway, registry=both, elsewhere_experts=others, boards_elsewhere=others)
    serving.app = Starlette(routes=routes(serving.gateway))
    return both


async def _turn(network: Network, networks: Networks) -> None:
    """The workers' turns in both networks, until what was said has been answered."""
    subscribers, clock = Subscribers(), network.clock
    bind_recourse(subscribers, OverFederation(networks.tenant, clock), lambda: network.serving.directory, clock)
    table = {task.name: task for task in periodic_tasks(subscribers, 5.0)}
    for _ in range(4):  # who was silent for long gives a sign of life first
        for tenant in networks.tenants.values():
            assert await run_alone(table["relay"], tenant, clock)
            await networks.exchange.turn()
        clock.advance(timedelta(seconds=5))


async def test_experts_elsewhere_give_an_opinion_and_keep_nothing(network: Network, networks: Networks) -> None:
    home, there = await Hospital(network.serving).opens(), await Hospital(network.serving, EXPERTS).opens()
    who, patient, record = await network.patient("recours", born_in=BIRTHPLACE)
    doctor = await home.works()
    await done(patient, "Authorize", patientId=record, rpps=doctor.rpps)
    board = await home.board("RCP locale", ONCOLOGIST, SURGEON, RADIOTHERAPIST)
    experts = await there.board("RCP de recours", ONCOLOGIST, SURGEON, RADIOTHERAPIST, kind="RECOURSE")
    surgeon = experts.members[0]
    theirs = await experts.session(days=10)
    ours = await board.session(days=20)
    case = await registers(doctor, record, ours, network.clock.now())
    octets = cda(who, doctor, "Biopsie", seed="recours", type_code="11526-1", at=network.clock.now())
    biopsy = await doctor.files(octets)
    await done(doctor, "AttachToBoardCase", caseId=case, documentId=biopsy["documentId"])
    await done(doctor, "BeginBoardSheet", caseId=case)

    # Who and which boards are elsewhere: the other network is asked, and no patient is in what it is asked.
    (found,) = (await done(doctor, "BoardsElsewhere"))["nodes"]
    assert (found["id"], found["network"], found["kind"]) == (experts.id, EXPERTS, "RECOURSE")
    for member in board.members:
        await done(member, "AnswerBoardSession", id=ours, answer="EXCUSED")
    forecast = await done(board.coordinator, "SessionForecast", sessionId=ours)
    assert [(each["wasAskedElsewhere"], len(each["experts"])) for each in forecast["gaps"]] == [(True, 1), (True, 1)]

    refused = await surgeon.asks("LentCases", sessionId=theirs)
    assert refused["nodes"] == []
    referred = await done(doctor, "ReferBoardCase", caseId=case, toNetwork=EXPERTS, toBoardId=found["id"])
    assert referred["state"] == "SENT"
    await _turn(network, networks)
    (lent,) = (await done(surgeon, "LentCases", sessionId=theirs))["nodes"]
    assert (lent["network"], lent["question"]) == ("Réseau d'essai", "Traitement adjuvant ?")
    assert (lent["requester"]["rpps"], lent["requester"]["profession"]["label"]) == (doctor.rpps, "Médecin")
    assert {each["name"]: each["text"] for each in lent["answers"]}["case_summary"] == "Traitement adjuvant ?"
    (paper,) = lent["documents"]
    assert (paper["nature"], paper["contentUrl"].split("/")[:3]) == ("PATHOLOGY", ["", EXPERTS, "board-cases"])
    read = await surgeon.client.get(paper["contentUrl"])
    assert (read.status_code, read.content) == (200, octets)
    part = await surgeon.client.get(paper["contentUrl"], headers={"range": "bytes=2-3"})
    assert (part.status_code, part.content) == (206, octets[2:4])
    unknown = node_id(Node.DOCUMENT, uuid4())
    for other in (paper["contentUrl"].replace(EXPERTS, TENANT), paper["contentUrl"].rpartition("/")[0] + f"/{unknown}"):
        assert (await surgeon.client.get(other)).status_code in {403, 404}

    # They open that case, and not the record.
    stranger = await surgeon.asks("OpenDossier", patientId=record)
    assert stranger["__typename"] == "Refusal"
    assert await experts.held(theirs, *experts.everybody()) == "HELD"
    said = await done(
        experts.coordinator, "WriteRecourseOpinion", id=lent["id"], revision=0, answers=answers(screening=False)
    )
    await done(experts.coordinator, "GiveRecourseOpinion", id=lent["id"], revision=said["revision"])
    await _turn(network, networks)

    assert (await experts.coordinator.asks("LentCases", sessionId=theirs))["nodes"] == []
    assert (await surgeon.client.get(paper["contentUrl"])).status_code == 404
    (answered,) = (await done(doctor, "RecourseReferrals", patientId=record, caseId=case))["nodes"]
    assert answered["state"] == "ANSWERED"
    patient = network.citizen(who)  # he signs in again: days have gone by
    assert [each for each in await patient.titles(record) if "RCP de recours" in each]
    journal = [each["node"] for each in (await patient.asks("Journal", patientId=record))["edges"]]
    read_by = {(each["kind"], each["actor"]["rpps"]) for each in journal}
    assert {("board_case", surgeon.rpps), ("document", surgeon.rpps)} <= read_by
