"""What the operator decides of the exchange between networks: journalled, as every act."""

from __future__ import annotations

from datetime import timedelta

from passerelle.audit import journal
from passerelle.audit.transactions import Act
from passerelle.dossier import access
from passerelle.kernel.database import Database
from passerelle_policies.vocabulary import Action, Kind
from passerelle_tenants.federation import dead_letters, keys


async def give_up(act: Act, which: dead_letters.Which, reason: str) -> int:
    """Owe no more what another network refuses, until its object changes again; how many. The journal keeps the reason.

    Refused: ACCESS_REFUSED but to the operator.
    """
    await access.require(act, journal.NOBODY, Kind.EXCHANGE, Action.CANCEL, reason=reason)
    return await dead_letters.drop(act, which)


async def renew_keys(act: Act, directory: Database) -> tuple[int, int]:
    """Publish the network's next keys and believe the former for a while: the generation, and the hours.

    Refused: ACCESS_REFUSED but to the operator.
    """
    await access.require(act, journal.NOBODY, Kind.EXCHANGE, Action.REPLACE)
    hours = int(access.number(act.context, "federation.key_grace_hours"))
    return await keys.rotate(act.context.tenant, directory, act.context.clock, timedelta(hours=hours)), hours
