"""Clients of pods that come and go: they know those that a Service would name, and try a refused connection again."""

from __future__ import annotations

import asyncio
import base64
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

import httpx2

from passerelle.identities.directory import Practice, Professional
from passerelle.identities.ins import Ins
from passerelle.kernel.actors import Actor
from passerelle.kernel.clock import PARIS, SetClock, SystemClock
from passerelle_graphql.committed import committed
from passerelle_graphql.ids import Node, node_id
from passerelle_graphql.persisted import sha256
from passerelle_ops.demo.corpus.people import Patient, structure, writer
from passerelle_ops.demo.corpus.write import Paper, unique_id, write
from passerelle_ops.installation import Installation
from passerelle_policies.vocabulary import ActorKind
from tests.builders import World, ins_of

PER_SECOND = 50
UNDER_WAY = 32  # a machine that is slow slows us, and loses nothing
SLOW = {"OPERATION_TOO_SLOW", "DATABASE_BUSY"}  # which of itself tells whoever asks to ask again
DOCTOR = writer("rolling")
_EVENTS = {"accept": "text/event-stream"}


@dataclass
class Service:
    """The addresses of the pods that are ready, in turn; connections are kept."""

    token: str
    addresses: list[str] = field(default_factory=list)
    refused: int = 0
    _clients: dict[str, httpx2.AsyncClient] = field(default_factory=dict)
    _turn: Any = field(default_factory=count)

    def at(self) -> httpx2.AsyncClient:
        address = self.addresses[next(self._turn) % len(self.addresses)]
        if address not in self._clients:
            headers = {"authorization": f"Bearer {self.token}"}
            limits = httpx2.Limits(max_connections=UNDER_WAY, keepalive_expiry=60)  # longer than uvicorn by itself
            self._clients[address] = httpx2.AsyncClient(
                base_url=address, headers=headers, timeout=120, limits=limits, trust_env=False
            )
        return self._clients[address]

    async def send(self, method: str, path: str, **given: Any) -> httpx2.Response:
        """What is answered. Only a connection that is refused is tried again."""
        while True:
            try:
                return await self.at().request(method, path, **given)
            except httpx2.ConnectError:
                self.refused += 1
                await asyncio.sleep(0.05)

    async def close(self) -> None:
        for each in self._clients.values():
            await each.aclose()


@dataclass(frozen=True)
class Somebody:
    """A patient with an open record in some networks, who lets `DOCTOR` read it."""

    ins: Ins
    ids: Mapping[str, UUID]

    def paper(self, number: int) -> bytes:
        """A document about him; all are different."""
        patient = Patient(
            identifiers=(self.ins,),
            family_name=f"ESSAI{self.ins.value[8:13]}",
            given_names=("Alix",),
            birth_date="19800115",
            sex="F",
        )
        at = datetime(2026, 1, 5, 9, 0, tzinfo=PARIS) + timedelta(minutes=number)
        seed = f"rolling/{self.ins.value}/{number}"
        made = Paper(
            type_code="11488-4", patient=patient, writer=DOCTOR, structure=structure("rolling"), at=at, seed=seed
        )
        return write(made)

    def unique_id(self, number: int) -> str:
        return unique_id(f"rolling/{self.ins.value}/{number}")


async def register(installation: Installation, *networks: str) -> None:
    """Have the directory know the doctor, in these networks."""
    practices = tuple(Practice(tenant_id=each) for each in networks)
    await installation.directory.register_professionals(
        [
            Professional(
                rpps=DOCTOR.rpps,
                family_name=DOCTOR.family_name,
                given_name=DOCTOR.given_name,
                profession="10",
                practices=practices,
            )
        ]
    )


async def opened(installation: Installation, network: str, ins: Ins) -> UUID:
    """His record is opened in a network, and the doctor authorised."""
    tenant = await (await installation.registry()).tenant(network)
    world = World(tenant, SetClock(SystemClock().now()), directory=installation.directory)
    patient_id, person = await world.patient(ins)
    doctor = Actor(kind=ActorKind.PROFESSIONAL, id=DOCTOR.rpps, name=DOCTOR.family_name, profession="10")
    await world.authorize(patient_id, person, doctor)
    return patient_id


def new_ins(number: int) -> Ins:
    return ins_of(61_000 + number)


@dataclass
class Traffic:
    """Fifty requests a second until it is told to end: by name, by hash, whole; reads, documents, signs of who asks."""

    service: Service
    network: str
    who: Somebody
    answered: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    filed: set[str] = field(default_factory=set)
    let_go: int = 0  # by a stream that told us to come back

    @asynccontextmanager
    async def flowing(self) -> AsyncIterator[None]:
        ending = asyncio.Event()
        asking, following = asyncio.create_task(self._ask(ending)), asyncio.create_task(self._follow())
        try:
            yield
        finally:
            ending.set()
            await asking
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    async def _ask(self, ending: asyncio.Event) -> None:
        places, loop = asyncio.Semaphore(UNDER_WAY), asyncio.get_running_loop()
        began, sent = loop.time(), 0
        async with asyncio.TaskGroup() as group:
            while not ending.is_set():
                await asyncio.sleep(max(0.0, began + sent / PER_SECOND - loop.time()))
                await places.acquire()
                group.create_task(self._one(sent)).add_done_callback(lambda _: places.release())
                sent += 1

    async def _one(self, number: int) -> None:
        patient = {"patientId": node_id(Node.PATIENT, self.who.ids[self.network])}
        what = ("by hash", "whole", "GET", "write", "GET")[number % 5]
        try:
            if what == "by hash":
                said = {"version": 1, "sha256Hash": sha256(committed()["CountDocuments"])}
                body = {"operationName": "CountDocuments", "extensions": {"persistedQuery": said}, "variables": patient}
                told = await self._told("POST", json=body)
            elif what == "whole":
                told = await self._told("POST", json=request("OpenDossier", **patient, first=5))
            elif what == "write":
                await self._file(number)
                self.answered[what] += 1
                return
            else:
                told = await self._told("GET", params={"query": "{ me { kind } }"})
            assert told.get("__typename", "Dossier") == "Dossier", told
            self.answered[what] += 1
        except Exception as error:  # noqa: BLE001 - whatever it is, it was not answered
            self.failed.append(f"{what} {number}: {error!r}")

    async def _file(self, number: int) -> None:
        content = base64.b64encode(self.who.paper(number)).decode()
        told = await self._told("POST", json=request("PublishDocument", submission={"cda": content}))
        assert told["__typename"] == "Filed", told
        (document,) = told["documents"]
        assert document["uniqueId"] == self.who.unique_id(number), document
        self.filed.add(document["uniqueId"])

    async def _follow(self) -> None:
        """What is filed, as it is told; each stream ends with a word that tells us to come back, none is cut."""
        body = request("DocumentArrived", patientId=node_id(Node.PATIENT, self.who.ids[self.network]))
        while True:
            try:
                async with self.service.at().stream("POST", self._path, json=body, headers=_EVENTS) as answer:
                    await self._followed(answer)
                self.let_go += 1
                await asyncio.sleep(0.3)
            except httpx2.ConnectError:
                await asyncio.sleep(0.05)
            except Exception as error:  # noqa: BLE001 - as above
                self.failed.append(f"stream: {error!r}")
                return

    async def _followed(self, answer: httpx2.Response) -> None:
        last: dict[str, Any] = {}
        async for line in answer.aiter_lines():
            if line.startswith("data: "):
                shown = json.loads(line.removeprefix("data: "))
                said = shown["errors"][0]["extensions"] if "errors" in shown else shown["data"]["documentArrived"]
                last = said
                self.answered[f"told {said.get('__typename', '')}"] += 1
            elif line == "event: complete":
                assert last.get("code") == "SERVER_STOPPING", last
                return
        raise AssertionError("cut")

    async def _told(self, method: str, **given: Any) -> dict[str, Any]:
        """The one root field of an answer, asked for again while the machine is too slow for it."""
        while True:
            shown = (await self.service.send(method, self._path, **given)).json()
            if "errors" in shown:
                told = shown["errors"][0]["extensions"]
            else:
                (told,) = shown["data"].values()
            if told.get("code") not in SLOW:
                assert "errors" not in shown, shown
                return dict(told)
            self.answered["slow"] += 1
            await asyncio.sleep(1)

    @property
    def _path(self) -> str:
        return f"/{self.network}/graphql"


def request(operation: str, **variables: Any) -> dict[str, Any]:
    """A committed operation as it is sent whole."""
    return {"query": committed()[operation], "operationName": operation, "variables": variables}


@asynccontextmanager
async def in_flight(traffic: Traffic, address: str, number: int) -> AsyncIterator[None]:
    """A document of which half was sent before, and the rest after: it is filed."""
    content = base64.b64encode(traffic.who.paper(number)).decode()
    body = json.dumps(request("PublishDocument", submission={"cda": content})).encode()
    at = httpx2.URL(address)
    reader, writer_ = await asyncio.open_connection(at.host, at.port)
    head = (
        f"POST /{traffic.network}/graphql HTTP/1.1\r\nHost: {at.host}\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {traffic.service.token}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    writer_.write(head.encode() + body[: len(body) // 2])
    await writer_.drain()
    yield
    writer_.write(body[len(body) // 2 :])
    answer = await asyncio.wait_for(reader.read(), 120)  # to its end: the connection closes with the answer
    writer_.close()
    assert b'"Filed"' in answer, answer
    assert traffic.who.unique_id(number).encode() in answer
    traffic.filed.add(traffic.who.unique_id(number))
