"""What arrives: opened, applied once in one transaction for a bundle, acknowledged after the commit."""

from __future__ import annotations

from dataclasses import dataclass

from passerelle_tenants.federation.office import Office


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of an envelope. `kind` is that of its bundle, or `unopened` with the reason.

    Of states: `applied`, `stale` (known already), `later` and `refused`. Of acknowledgements: `acked`.
    """

    kind: str
    from_tenant: str = ""
    reason: str = ""
    applied: int = 0
    stale: int = 0
    later: int = 0
    refused: int = 0
    acked: int = 0


async def take_in(office: Office, envelope: bytes) -> Taken:
    """Take in an envelope of any kind; what is to be answered goes to the office's carrier.

    An envelope that cannot be opened, or is not for this network, changes nothing and raises nothing. Raises `TryLater`
    when the database is away: nothing was applied nor acknowledged, the origin sends again.
    """
    raise NotImplementedError
