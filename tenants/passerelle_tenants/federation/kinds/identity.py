"""`identity`: a patient has another INS. Whoever knows him by the one before knows him by the new one from then on."""

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
from passerelle.identities import carried, patients
from passerelle.identities.carried import Carried
from passerelle.identities.corrections import replace_ins
from passerelle.kernel.errors import PasserelleError
from passerelle_tenants.federation.places import IDENTITY
from passerelle_tenants.federation.travellers import APPLIED, Addressed, Owed, Priority


@dataclass(frozen=True, slots=True)
class Identity:
    """Owed by `places.enter`, to each place of a patient whose INS was replaced."""

    kind: ClassVar[str] = IDENTITY
    priority: ClassVar[Priority] = Priority.RELATES
    addressed: ClassVar[Sequence[Addressed]] = ()

    async def gather(self, connection: AsyncConnection, to_tenant: str, owed: Sequence[Owed]) -> str:  # noqa: ARG002
        """`Traveller.gather`: who the patients are."""
        return await said(connection, owed)

    async def apply(self, act: Act, from_tenant: str, items: str) -> Mapping[UUID, str]:  # noqa: ARG002
        """`Traveller.apply`. Refused: INS_OF_ANOTHER when both INS are a patient's here: an officer settles whose
        documents are whose."""
        answers = {}
        for item in json.loads(items):
            try:
                await meet(act, item)
            except PasserelleError as wrong:
                answers[UUID(item["id"])] = wrong.code
            else:
                answers[UUID(item["id"])] = APPLIED
        return answers


async def said(connection: AsyncConnection, owed: Sequence[Owed]) -> str:
    """JSON text: an object for each patient, with his identity; `gone` for one who has no INS."""
    each, person = bundles.owed(), patients.identity()
    gone = case((person.c.person_key.is_(None), True), else_=None).label("gone")
    rows = select(each.c.id, each.c.version, gone, *carried.columns(person)).select_from(
        each.outerjoin(person, person.c.patient_id == each.c.id)
    )
    values = bundles.owed_values([one.object_id for one in owed], [one.version for one in owed])
    return str(await connection.scalar(bundles.gathered(rows), values))


async def meet(act: Act, item: Mapping[str, Any]) -> tuple[Carried, UUID | None] | None:
    """Who is meant, and his id here if he is a patient of this network, by this INS or by one before, which is then
    replaced. Nothing when the other network knows no INS of his any more."""
    if item.get("gone"):
        return None
    meant = carried.read(item)
    known = (await carried.known_as(act, [meant.ins])).get(meant.ins)
    before = await carried.known_as(act, meant.before) if meant.before else {}
    for patient_id in before.values():
        if patient_id != known:
            await replace_ins(act, patient_id, meant.ins, status=meant.status)
            known = patient_id
    return meant, known
