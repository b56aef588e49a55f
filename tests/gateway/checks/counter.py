"""A patient before a pharmacist who checks what he is about to dispense, over the starter set of medicines."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Any
from uuid import UUID

import httpx2
from sqlalchemy import func, select

from passerelle.audit.transactions import transaction
from passerelle.dossier import attestations
from passerelle.kernel.actors import Actor
from passerelle.pharmacy.tables import medicine, presentation
from passerelle_graphql.committed import committed
from passerelle_graphql.ids import Node, node_id
from passerelle_policies.vocabulary import Relation
from tests import builders
from tests.gateway.alike import alike
from tests.gateway.at_work import someone
from tests.gateway.records import send
from tests.gateway.serving import Serving
from tests.pharmacy.lines import PHARMACY, dispensed, line, opened

_numbers = count(40_000)
TOWN = "310790777"
CHECK = committed()["CheckDispensing"]
SIMVASTATIN, CLARITHROMYCIN, IBUPROFEN = "SIMVASTATINE ALMUS", "CLARITHROMYCINE ACCORD", "IBUPROFENE SANDOZ 400"
AMOXICILLIN, CLOPIDOGREL = "AMOXICILLINE ARROW 250", "PLAVIX 75"
OTHER_IBUPROFEN = "IBUPROFENE SANDOZ CONSEIL 200"


@dataclass(frozen=True, slots=True)
class Counter:
    """A patient with an open pharmacy record, before a pharmacist; a physician of the town whom he authorised."""

    serving: Serving
    patient_id: UUID
    id: str
    person: Actor
    pharmacist_actor: Actor
    pharmacist: httpx2.AsyncClient
    town: httpx2.AsyncClient

    async def checked(self, *products: str, by: httpx2.AsyncClient | None = None, of: str | None = None) -> Any:
        """The answer, after asserting that both executors give it."""
        basket = [{"cip13": await box(self.serving, each)} for each in products]
        said = await alike(self.serving, by or self.pharmacist, CHECK, patientId=of or self.id, basket=basket)
        return json.loads(said)["data"]["dispensingChecks"]

    async def asked(self, *products: str) -> Any:
        """The answer of the gateway alone."""
        basket = [{"cip13": await box(self.serving, each)} for each in products]
        return await send(self.pharmacist, "CheckDispensing", patientId=self.id, basket=basket)

    async def took(self, product: str, days_ago: int, days: int | None, **more: Any) -> None:
        """It was dispensed to the patient."""
        cip13 = await box(self.serving, product)
        async with self.serving.world.tenant.database.transaction() as connection:
            one = line(days_ago, [], days, cip13=cip13, label=product, **more)
            await dispensed(connection, self.patient_id, [one])


async def box(serving: Serving, name: str) -> str:
    """The first box of a medicine whose name begins so."""
    boxes = (
        select(func.min(presentation.c.cip13))
        .join(medicine, medicine.c.cis == presentation.c.cis)
        .where(medicine.c.name.startswith(name))
    )
    async with serving.world.tenant.database.transaction() as connection:
        return str((await connection.execute(boxes)).scalar_one())


async def codes_of(serving: Serving, name: str) -> tuple[str, str, str]:
    """CIP13, CIP7 and CIS of that box."""
    asked = select(presentation.c.cip7, presentation.c.cis).where(
        presentation.c.cip13 == (cip13 := await box(serving, name))
    )
    async with serving.world.tenant.database.transaction() as connection:
        cip7, cis = (await connection.execute(asked)).one()
    return cip13, cip7, cis


async def at_counter(serving: Serving, state: str | None = "open") -> Counter:
    world = serving.world
    patient_id, person = await world.patient(builders.ins_of(next(_numbers)))
    pharmacist, client = await someone(serving, builders.PHARMACIST, PHARMACY)
    town, in_town = await someone(serving, builders.PHYSICIAN, TOWN)
    await world.authorize(patient_id, person, town)
    async with transaction(world.context(pharmacist)) as act:
        until = world.clock.now() + timedelta(hours=2)
        await attestations.attest(act, patient_id, Relation.PATIENT_PRESENT, until=until, proof="carte Vitale")
    if state is not None:
        async with world.tenant.database.transaction() as connection:
            await opened(connection, patient_id, state)
    return Counter(serving, patient_id, node_id(Node.PATIENT, patient_id), person, pharmacist, client, in_town)


def codes(said: Any) -> list[str]:
    return [each["code"] for each in said["findings"]]


def untold(said: Any) -> set[str]:
    return {each["code"] for each in said["notChecked"]}
