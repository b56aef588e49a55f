"""Giving a carrier what is owed and due, in bundles, until the other network acknowledged it."""

from __future__ import annotations

from dataclasses import dataclass

from passerelle_tenants.federation.office import Office


@dataclass(frozen=True, slots=True)
class Sent:
    """What one turn gave to the carrier; `failed`: bundles that it did not take, which fall due again."""

    bundles: int
    states: int
    failed: int


async def send_due(office: Office) -> Sent:
    """Send every peer that answers what is owed to it and due, and every peer its sign of life when that is due.

    Returns when nothing is due, or as much is on its way as may be (`federation.window`): the acknowledgements that
    come in send the rest (`taking_in`).
    """
    raise NotImplementedError


async def send_to(office: Office, peer: str, bundles: int = 1) -> Sent:
    """Send one peer so many bundles at most."""
    raise NotImplementedError
