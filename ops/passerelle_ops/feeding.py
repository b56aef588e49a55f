"""In whose name files are fed from the command line: a structure of the network, acting for itself."""

from __future__ import annotations

from uuid import uuid4

from passerelle.kernel.actors import Actor
from passerelle.kernel.context import Context
from passerelle.kernel.errors import InvalidInput
from passerelle_ops.installation import Installation
from passerelle_policies.roles import setting_of
from passerelle_policies.vocabulary import ActorKind


async def feeding_context(installation: Installation, tenant_id: str, structure: str | None = None) -> Context:
    """The context of a structure that feeds (profil Alimentation); without one, the network's first, which operates.

    Refused: TENANT_UNKNOWN; STRUCTURE_ELSEWHERE when the network does not hold that FINESS number.
    """
    registry = await installation.registry()
    tenant = await registry.tenant(tenant_id)
    if structure is None:
        structure = next(registry.network(tenant_id).establishments())[1].finess
    establishment = await installation.directory.establishment(structure)
    if establishment is None or establishment.tenant_id != tenant_id:
        raise InvalidInput("STRUCTURE_ELSEWHERE", finess=structure[:20], tenant=tenant_id)
    return Context(
        tenant=tenant,
        actor=Actor(
            kind=ActorKind.ESTABLISHMENT,
            id=establishment.finess,
            name=establishment.name,
            establishment=establishment.finess,
            setting=setting_of(establishment.category),
            software="passerelle ingest",
        ),
        clock=installation.clock,
        request_id=f"ingest-{uuid4().hex}",
    )
