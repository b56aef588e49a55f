"""Pharmacies of a network, a hospital and a practice in town, each with someone at work in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from typing import Any, Final

from passerelle.identities.directory import Establishment, Practice, Professional
from passerelle.kernel.clock import PARIS
from passerelle.pharmacy.reference.loading import load_starter
from passerelle_ops.demo.issuer import Practice as Activity
from passerelle_ops.recalling import bind_recalls
from passerelle_ops.relay import Subscribers
from passerelle_ops.schedule import periodic_tasks, run_alone
from tests import builders
from tests.gateway.serving import TENANT
from tests.journeys.conftest import Network, Visitor

PHARMACY, HOSPITAL, TOWN = "SA33", "SA01", "SA07"  # categories of JDV_J02
_LONG: Final = timedelta(days=1_000)  # journeys move the clock: nobody is to sign in again
_numbers = count(310_880_001)


@dataclass(frozen=True, slots=True)
class Place:
    """Somewhere in the directory, and who is at work there."""

    finess: str
    visitor: Visitor


@dataclass(frozen=True, slots=True)
class Region:
    """A network whose lists of medicines are loaded."""

    network: Network

    @classmethod
    async def of(cls, network: Network) -> Region:
        """The network, with the lists that ship with the project."""
        await load_starter(network.serving.world.tenant.database, network.clock)
        return cls(network)

    async def place(self, category: str, profession: str = builders.PHARMACIST) -> Place:
        """A new establishment of that category, and a professional of it at the door."""
        finess, serving = str(next(_numbers)), self.network.serving
        here = Establishment(finess=finess, name="Essai", basin="essai", tenant_id=TENANT, category=category)
        await serving.directory.register_establishments([here])
        actor = builders.professional(profession, establishment=finess)
        who: dict[str, Any] = {"family_name": "ESSAI", "given_name": "Dominique", "profession": profession}
        practice = Practice(tenant_id=TENANT, finess=finess)
        await serving.directory.register_professionals([Professional(rpps=actor.id, practices=(practice,), **who)])
        token = serving.issuer.mint_professional(
            rpps=actor.id, practices=[Activity(finess=finess)], valid_for=_LONG, **who
        )
        return Place(finess, Visitor(serving.client(token), actor.id))

    def authority(self) -> Visitor:
        """A health authority at the door."""
        serving = self.network.serving
        token = serving.issuer.mint_authority(network=TENANT, name="Agence d'essai", valid_for=_LONG)
        return Visitor(serving.client(token))

    async def turn(self, *tasks: str) -> None:
        """One turn of each of these tasks of the worker, in that order, with what it subscribes of recalls."""
        subscribers, clock = Subscribers(), self.network.clock
        bind_recalls(subscribers, lambda: self.network.serving.directory, clock)
        table = {task.name: task for task in periodic_tasks(subscribers, 5.0)}
        for each in tasks:
            assert await run_alone(table[each], self.network.serving.world.tenant, clock)

    async def dispenses(
        self, pharmacy: Place, patient_id: str, number: str, *lines: dict[str, Any], ago: int = 0
    ) -> dict[str, Any]:
        """What a pharmacy dispensed so many days ago; the answer."""
        at = self.network.clock.now().astimezone(PARIS) - timedelta(days=ago)
        dispensation = {"pharmacyNumber": number, "dispensedAt": at.isoformat(), "lines": list(lines)}
        return await pharmacy.visitor.asks("RecordDispensation", patientId=patient_id, dispensation=dispensation)

    async def arrives(self, pharmacy: Place, patient_id: str) -> None:
        """The patient is at the counter, with his card."""
        seen = await pharmacy.visitor.asks("AttestPresence", patientId=patient_id, shown="VITALE_CARD")
        assert datetime.fromisoformat(seen["until"]) > self.network.clock.now(), seen


async def box(visitor: Visitor, name: str) -> str:
    """The first box of the first medicine of that name, as a pharmacist finds it."""
    found = await visitor.asks("Medicines", search=name, first=1)
    cis = found["edges"][0]["node"]["cis"]
    medicine = await visitor.asks("Medicine", cis=cis)
    return str(min(each["cip13"] for each in medicine["presentations"]))


def line(cip13: str, quantity: str = "1", **more: Any) -> dict[str, Any]:
    """One product of a dispensation."""
    return {"cip13": cip13, "quantity": quantity, **more}


async def labels(visitor: Visitor, patient_id: str) -> list[str]:
    """The first word of each product that this visitor sees as dispensed, newest first."""
    opened = await visitor.asks("OpenPharmacyRecord", patientId=patient_id)
    assert opened["__typename"] == "DispensingHistory", opened
    return [edge["node"]["label"].split()[0] for edge in opened["edges"]]
