"""`merged_patient`: a network that is merged into another tells it of a patient, and of how his records stand."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import case, select
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit.transactions import Act
from passerelle.dossier import federated_bundles as bundles
from passerelle.dossier import merging as records
from passerelle.identities import carried, patients
from passerelle.kernel.errors import PasserelleError
from passerelle.pharmacy import merging as pharmacy_records
from passerelle_tenants import merges
from passerelle_tenants.federation import places
from passerelle_tenants.federation.kinds.identity import meet
from passerelle_tenants.federation.merging import KIND
from passerelle_tenants.federation.travellers import APPLIED, Addressed, Owed, Priority
from passerelle_tenants.locator import Locator

#: Who hands on patients is to be merged into here.
NOT_MERGED = "NETWORK_NOT_MERGED"


@dataclass(frozen=True, slots=True)
class MergedPatients:
    """Owed by `merging.turn` to the network that goes on."""

    locator: Locator
    kind: ClassVar[str] = KIND
    priority: ClassVar[Priority] = Priority.RELATES
    addressed: ClassVar[Sequence[Addressed]] = ()

    async def gather(self, connection: AsyncConnection, to_tenant: str, owed: Sequence[Owed]) -> str:  # noqa: ARG002
        """`Traveller.gather`: who he is, his record and his pharmacy record; `gone` for one who has no INS."""
        each, person = bundles.owed(), patients.identity()
        rows = select(
            each.c.id,
            each.c.version,
            case((person.c.person_key.is_(None), True), else_=None).label("gone"),
            *carried.columns(person),
            records.carried(each.c.id).label("dossier"),
            pharmacy_records.carried(each.c.id).label("pharmacy_record"),
        ).select_from(each.outerjoin(person, person.c.patient_id == each.c.id))
        values = bundles.owed_values([one.object_id for one in owed], [one.version for one in owed])
        return str(await connection.scalar(bundles.gathered(rows), values))

    async def apply(self, act: Act, from_tenant: str, items: str) -> Mapping[UUID, str]:
        """`Traveller.apply`: register him where he is not known, go on with his records, enter him in the locator.

        NETWORK_NOT_MERGED; what registering refuses. Each patient wholly or not at all.
        """
        merge = await merges.merge_of(self.locator.directory, from_tenant)
        is_meant = merge is not None and merge.into == act.context.tenant.id
        answers: dict[UUID, str] = {}
        entering: dict[UUID, bool] = {}
        for item in json.loads(items):
            answers[UUID(item["id"])] = NOT_MERGED
            if is_meant:
                answers[UUID(item["id"])] = await _one(act, from_tenant, item, entering)
        await places.enter(act, self.locator, entering)
        return answers


async def _one(act: Act, from_tenant: str, item: Mapping[str, Any], entering: dict[UUID, bool]) -> str:
    try:
        async with act.connection.begin_nested():
            met = await meet(act, item)
            if met is None:
                return APPLIED
            meant, patient_id = met
            if patient_id is None:
                source = f"network:{from_tenant}"
                patient_id = await patients.register(act, [meant.ins], meant.traits, meant.status, source=source)
            if item.get("dossier"):
                await records.begin(act, patient_id, item["dossier"], network=from_tenant)
            if item.get("pharmacy_record"):
                await pharmacy_records.begin(act, patient_id, item["pharmacy_record"], network=from_tenant)
    except PasserelleError as wrong:
        return wrong.code
    entering[patient_id] = bool(item.get("dossier"))
    return APPLIED
