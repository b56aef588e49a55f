"""Another network, of which there are real keys and nothing else: what it sends can be opened."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from uuid import UUID

from sqlalchemy import text

from passerelle.identities.directory import Directory
from passerelle.kernel.clock import SystemClock
from passerelle.kernel.context import Tenant
from passerelle.kernel.database import Database
from passerelle.kernel.keys import Keys
from passerelle_tenants.federation import keys
from passerelle_tenants.federation.envelopes import STATES, Bundle, seal
from passerelle_tenants.federation.kinds.documents import Documents
from passerelle_tenants.federation.office import Office
from passerelle_tenants.federation.travellers import Kinds, Owed
from tests.watching.marked import INS, MARK

NAME = "voisin"
_SET_UP = text(
    "insert into tenant (tenant_id, name, is_test, settings, created_at)"
    " select :id, name, is_test, settings || jsonb_build_object('id', cast(:id as text)), created_at from tenant"
)


class _Nowhere:
    async def carry(self, to_tenant: str, envelope: bytes) -> None: ...


async def envelope(to: Tenant, directory_url: str, folder: Path, patient_id: UUID, document_id: UUID) -> str:
    """What another network might send of a marked document, with marks wherever it may write a word."""
    clock, directory = SystemClock(), Database(directory_url, pool_size=2)
    itself = replace(to, id=NAME, name="Réseau voisin", keys=Keys.create(folder / f"{NAME}.key"))
    async with directory.transaction() as connection:
        await connection.execute(_SET_UP, {"id": NAME})
    for each in (itself, to):
        await keys.publish(each, directory, clock)
    office = Office(
        tenant=itself,
        directory=Directory(directory),
        keyring=keys.Keyring(directory, clock),
        kinds=Kinds(()),
        carrier=_Nowhere(),
        clock=clock,
    )
    owed = Owed(object_id=document_id, patient_id=patient_id, version=7, payload=None)
    async with to.database.transaction() as connection:
        written = await Documents().gather(connection, NAME, [owed])
    said = f"{MARK} {INS.value}"
    of_one = [[document_id.hex], [7]]
    bundle = Bundle(
        kind=STATES,
        bundle_id=said,
        head={"states": {Documents.kind: of_one, MARK: of_one}, "nom": said},
        parts={Documents.kind: written, MARK: said.encode()},
    )
    sealed = await seal(office, to.id, bundle)
    await directory.close()
    return sealed.decode("ascii")
