"""The other networks: who is there, who answers, who is away, and signs of life between them."""

from __future__ import annotations

from passerelle_tenants.federation.office import Office


async def sync(office: Office) -> None:
    """Give every other network of the directory its row; one that was never heard of is away until it is."""
    raise NotImplementedError
