"""Professionals at work in an establishment, at the door of the gateway."""

from __future__ import annotations

import httpx2

from passerelle.identities.directory import Practice, Professional
from passerelle.kernel.actors import Actor
from passerelle_ops.demo.issuer import Practice as Activity
from tests import builders
from tests.gateway.serving import TENANT, Serving


async def someone(serving: Serving, profession: str, finess: str) -> tuple[Actor, httpx2.AsyncClient]:
    """A new one, whom the directory knows there."""
    actor = builders.professional(profession, establishment=finess)
    practice = Practice(tenant_id=TENANT, finess=finess)
    known = Professional(
        rpps=actor.id, family_name="ESSAI", given_name="Dominique", profession=profession, practices=(practice,)
    )
    await serving.directory.register_professionals([known])
    token = serving.issuer.mint_professional(
        rpps=actor.id,
        family_name="ESSAI",
        given_name="Dominique",
        profession=profession,
        practices=[Activity(finess=finess)],
    )
    return actor, serving.client(token)
