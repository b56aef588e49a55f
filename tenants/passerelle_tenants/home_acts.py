"""What people do about a patient's home: he declares it, an officer claims it for a network or decides a dispute.

The home is changed in the directory, as the last thing before the act commits; that he moves there is done by
`federation.home_moves`, in the networks' own time.
Sources: CSP, art. L.1111-14 (one shared record for a person, for life); L.1111-15 (who is accountable for it).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from passerelle.audit.transactions import Act, transaction
from passerelle.dossier import access, lifecycle
from passerelle.identities import patients
from passerelle.kernel.context import Context
from passerelle.kernel.errors import Conflict
from passerelle.kernel.homes import SaidHome
from passerelle_policies.vocabulary import Action, ActorKind, DossierState, Kind
from passerelle_tenants import homes
from passerelle_tenants.federation import places
from passerelle_tenants.homes import Change
from passerelle_tenants.locator import Home, Locator, Whereabouts


async def declare(act: Act, locator: Locator, patient_id: UUID) -> Home:
    """Say that a patient's home is this network. By himself, it moves here; by an officer it is a claim.

    Refused: DOSSIER_NOT_OPEN here; PATIENT_WITHOUT_INS; HOME_HANDED while it is being handed elsewhere; HOME_DISPUTED
    when a third network claims it already.
    """
    await access.require(act, patient_id, Kind.DOSSIER, Action.DECLARE_HOME)
    if await lifecycle.state_of(act, patient_id) is not DossierState.OPEN:
        raise Conflict("DOSSIER_NOT_OPEN")
    await places.enter(act, locator, {patient_id: True})
    here, by = act.context.tenant.id, act.context.actor.kind
    return await _change(act, locator, patient_id, (homes.declared if by is ActorKind.PERSON else homes.claimed)(here))


@dataclass(frozen=True, slots=True)
class Declaring:
    """Implements `kernel.homes.Homes`. The locator is opened by the first who declares: it has a key file."""

    locator: Callable[[], Locator]

    async def declare(self, context: Context, patient_id: UUID, /) -> SaidHome:
        """`Homes.declare`: an act of its own, journalled here."""
        async with transaction(context) as act:
            said = await declare(act, self.locator(), patient_id)
        return SaidHome(network=said.tenant_id, state=said.state.value, claimed_by=said.claimed_by)


async def decide(act: Act, locator: Locator, patient_id: UUID, network: str) -> Home:
    """End a dispute between two networks, as an officer of either. Refused: HOME_NOT_DISPUTED, HOME_NOT_CLAIMED by that
    network; ACCESS_REFUSED, also to the patient, who declares instead."""
    await access.require(act, patient_id, Kind.DOSSIER, Action.DECIDE_HOME)
    return await _change(act, locator, patient_id, homes.decided(network))


async def whereabouts(act: Act, locator: Locator, patient_id: UUID) -> Whereabouts | None:
    """Where a patient's things are, and his home, for a use case that has already decided; nothing before he is
    located. Refused: PATIENT_UNKNOWN in this network."""
    if await patients.by_id(act, patient_id) is None:
        raise Conflict("PATIENT_UNKNOWN")
    key = (await places.keys_of(act.connection, [patient_id])).get(patient_id)
    return (await locator.find([key])).get(key) if key is not None else None


async def _change(act: Act, locator: Locator, patient_id: UUID, how: Change) -> Home:
    key = (await places.keys_of(act.connection, [patient_id])).get(patient_id)
    if key is None:
        raise Conflict("PATIENT_WITHOUT_INS")
    _, after = await homes.change(locator, key, how, act.now)
    return after
