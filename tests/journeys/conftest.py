"""A network with its front door open, and people who come to it with their tokens."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from passerelle.identities.ins import Ins
from passerelle.kernel.clock import PARIS, SetClock
from passerelle_graphql.committed import committed
from passerelle_ops.demo.corpus import people
from passerelle_ops.demo.corpus.write import Paper, unique_id, write
from tests.gateway.serving import TENANT, Serving, serving_over

if TYPE_CHECKING:
    from tests.conftest import Cloned

STATUS_WHEN_UNSAID = {"1.2.250.1.213.1.4.10": "qualified"}


@dataclass(frozen=True, slots=True)
class Visitor:
    """Someone at the front door of a network. `rpps` is empty for a citizen."""

    client: httpx2.AsyncClient
    rpps: str = ""
    at: str = TENANT

    async def asks(self, operation: str, /, **variables: Any) -> dict[str, Any]:
        """Send one committed operation; give the first field of its answer."""
        response = await self.client.post(
            f"/{self.at}/graphql",
            json={"query": committed()[operation], "operationName": operation, "variables": variables},
        )
        assert response.status_code == 200, response.text
        shown = response.json()
        assert "errors" not in shown, shown
        (payload,) = shown["data"].values()
        assert isinstance(payload, dict)
        return payload

    async def titles(self, patient_id: str, **more: Any) -> list[str]:
        """What this visitor sees in a record, newest first."""
        opened = await self.asks("OpenDossier", patientId=patient_id, **more)
        assert opened["__typename"] == "Dossier", opened
        return [edge["node"]["title"] for edge in opened["documents"]["edges"]]

    async def files(self, cda: bytes) -> dict[str, Any]:
        """Deposit one CDA; give where it is filed."""
        filed = await self.asks("PublishDocument", submission={"cda": base64.b64encode(cda).decode()})
        assert filed["__typename"] == "Filed", filed
        (document,) = filed["documents"]
        assert isinstance(document, dict)
        return document


@dataclass(frozen=True, slots=True)
class Network:
    """The network of a journey."""

    serving: Serving

    @property
    def clock(self) -> SetClock:
        return self.serving.world.clock

    async def professional(self, profession: str = "10") -> Visitor:
        actor, token = await self.serving.professional(profession)
        return Visitor(self.serving.client(token), actor.id)

    def citizen(self, who: people.Patient) -> Visitor:
        return Visitor(self.serving.client(self.serving.person_token(who.identifiers[0])))

    async def patient(self, name: str, *, born_in: str | None = None) -> tuple[people.Patient, Visitor, str]:
        """An invented patient who is registered at the desk and opens the record; also the patient's id."""
        who = people.patient(name)
        desk = await self.professional()
        registered = await desk.asks(
            "RegisterPatient",
            input={
                "identifiers": [{"oid": who.identifiers[0].oid, "value": who.identifiers[0].value}],
                "traits": {
                    "familyName": who.family_name,
                    "givenNames": list(who.given_names),
                    "birthDate": who.birth_date,
                    "sex": who.sex,
                    "birthPlace": born_in,
                },
                "identityStatus": "QUALIFIED",
                "source": "accueil",
            },
        )
        patient_id = registered["patient"]["id"]
        visitor = self.citizen(who)
        opened = await visitor.asks("OpenTheDossier", patientId=patient_id, basis="CONSENT", proof="signé à l'accueil")
        assert opened["state"] == "OPEN", opened
        return who, visitor, patient_id


def cda(
    who: people.Patient,
    author: Visitor,
    title: str,
    *,
    seed: str,
    type_code: str = "11488-4",
    replaces: str | None = None,
    at: datetime | None = None,
) -> bytes:
    """A CDA that this visitor has written about this patient."""
    made = paper(who, author, title, seed=seed, type_code=type_code, at=at)
    return write(made if replaces is None else replace(made, replaces=Ins(unique_id(replaces), "")))


def paper(
    who: people.Patient,
    author: Visitor,
    title: str,
    *,
    seed: str,
    type_code: str = "11488-4",
    at: datetime | None = None,
) -> Paper:
    """What this visitor has to write about this patient."""
    place = people.structure("journal")
    writer = people.Writer(
        rpps=author.rpps,
        family_name="ESSAI",
        given_name="Dominique",
        code="G15_10/SM54",
        label="Médecin - Médecine générale (SM)",
    )
    return Paper(
        type_code=type_code,
        patient=who,
        writer=writer,
        structure=place,
        at=at or datetime(2026, 11, 10, 9, 30, tzinfo=PARIS),
        seed=seed,
        title=title,
    )


@pytest.fixture(scope="module")
async def network(
    tenant_database: Cloned, directory_database: Cloned, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Network]:
    clock = SetClock(datetime(2026, 11, 16, 10, 0, tzinfo=PARIS))
    async with serving_over(
        tenant_database.database,
        directory_database.database,
        tmp_path_factory.mktemp("network"),
        clock,
        rules={"identity_status_when_unsaid": STATUS_WHEN_UNSAID},
    ) as serving:
        yield Network(serving)
