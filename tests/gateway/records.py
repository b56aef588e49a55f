"""A record with its people, and how they send the committed operations."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import Any
from uuid import UUID

import httpx2

from passerelle.identities.ins import Ins
from passerelle.kernel.actors import Actor
from passerelle_graphql.committed import committed
from passerelle_graphql.ids import Node, node_id
from tests import builders
from tests.gateway.serving import GRAPHQL, Serving

_numbers = count(20_000)


@dataclass(frozen=True, slots=True)
class Record:
    """A patient with an open record, and a doctor whom he authorised."""

    patient_id: UUID
    id: str
    ins: Ins
    person: Actor
    patient: httpx2.AsyncClient
    doctor_actor: Actor
    doctor: httpx2.AsyncClient


async def new_record(serving: Serving, *, open_: bool = True, authorized: bool = True) -> Record:
    """A patient, his record, and a doctor whom he authorised unless told otherwise."""
    ins = builders.ins_of(next(_numbers))
    patient_id, person = await serving.world.patient(ins, open_=open_)
    actor, token = await serving.professional()
    if authorized:
        await serving.world.authorize(patient_id, person, actor)
    return Record(
        patient_id=patient_id,
        id=node_id(Node.PATIENT, patient_id),
        ins=ins,
        person=person,
        patient=serving.client(serving.person_token(ins)),
        doctor_actor=actor,
        doctor=serving.client(token),
    )


async def send(client: httpx2.AsyncClient, operation: str, **variables: Any) -> dict[str, Any]:
    """Send a committed operation; give its one root field's answer."""
    body = {"query": committed()[operation], "operationName": operation, "variables": variables}
    response = await client.post(GRAPHQL, json=body)
    assert response.status_code == 200, response.text
    shown = response.json()
    assert "errors" not in shown, shown
    (answer,) = shown["data"].values()
    result: dict[str, Any] = answer
    return result
