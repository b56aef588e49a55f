"""Who is in the region: a cast for each declared network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from passerelle_ops.demo.people import Cast, cast_of
from passerelle_ops.settings import Settings
from passerelle_tenants.networks import load_networks

STORY_TENANT: Final = "oncomip"


def casts(settings: Settings, tenants: Sequence[str] | None = None) -> dict[str, Cast]:
    """Everyone of these networks, or of all that are declared; the story's network comes first."""
    networks = load_networks(settings.networks)
    chosen = list(networks) if tenants is None else list(tenants)
    chosen.sort(key=lambda each: each != STORY_TENANT)
    return {
        tenant_id: cast_of(
            tenant_id,
            [each.finess for _, each in networks[tenant_id].establishments()],
            patients=settings.demo_patients,
            is_first=tenant_id == STORY_TENANT,
        )
        for tenant_id in chosen
    }
