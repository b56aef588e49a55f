"""`passerelle home …`: which network holds a patient's record, who says so, and how far a move has come."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar
from uuid import UUID

import typer

from passerelle_ops.cli.french import FrenchCommand, FrenchGroup
from passerelle_ops.cli.operating import acting, officer, operator
from passerelle_ops.cli.options import Json, State, Tenant, settings_of

if TYPE_CHECKING:
    from passerelle.audit.transactions import Act
    from passerelle.kernel.actors import Actor
    from passerelle_tenants.locator import Home, Locator

app = typer.Typer(
    name="home",
    help="Réseau qui tient le dossier d’un patient : le montrer, le déclarer, trancher.",
    cls=FrenchGroup,
    no_args_is_help=True,
)

_T = TypeVar("_T")
Patient = Annotated[UUID, typer.Argument(metavar="PATIENT", help="Identifiant interne du patient dans ce réseau.")]
For = Annotated[str, typer.Option("--for", metavar="RÉSEAU", help="Celui des deux réseaux qui tient le dossier.")]
STATES = {
    "presumed": "présumé : le premier où un dossier fut ouvert",
    "declared": "déclaré",
    "moving": "le dossier va passer à un autre",
    "handed": "le dossier passe à un autre",
    "disputed": "contesté",
}


@app.command(cls=FrenchCommand)
def show(patient: Patient, tenant: Tenant, state: State = None, as_json: Json = False) -> None:
    """Montrer quel réseau tient le dossier d’un patient, et lesquels tiennent quelque chose de lui."""
    from passerelle_ops.terminal import print_json, say
    from passerelle_tenants import home_acts

    found = _run(
        tenant, state, operator("home show"), lambda act, locator: home_acts.whereabouts(act, locator, patient)
    )
    if as_json:
        home = found.home if found is not None else None
        print_json(
            {
                "home": found.home_id if found is not None else None,
                "state": home.state.value if home is not None else None,
                "claimed_by": home.claimed_by if home is not None else None,
                "places": list(found.tenants) if found is not None else [],
            }
        )
    elif found is None:
        say("HOME_NOWHERE")
    else:
        _say("HOME_SHOWN", found.home, found.home_id)
        say("HOME_PLACE_HOLDS", networks=", ".join(found.tenants))


@app.command(cls=FrenchCommand)
def declare(patient: Patient, tenant: Tenant, state: State = None, as_json: Json = False) -> None:
    """Dire que ce réseau tient le dossier. Si le patient en a déclaré un autre, un délégué tranchera."""
    from passerelle_tenants import home_acts

    done = _run(tenant, state, operator("home declare"), lambda act, locator: home_acts.declare(act, locator, patient))
    _told(done, as_json)


@app.command(cls=FrenchCommand)
def decide(patient: Patient, tenant: Tenant, network: For, state: State = None, as_json: Json = False) -> None:
    """Trancher, en délégué à la protection des données, entre deux réseaux qui disent tenir le dossier."""
    from passerelle_tenants import home_acts

    done = _run(
        tenant, state, officer("home decide"), lambda act, locator: home_acts.decide(act, locator, patient, network)
    )
    _told(done, as_json)


def _told(home: Home, as_json: bool) -> None:
    from passerelle_ops.terminal import print_json

    if as_json:
        print_json({"home": home.tenant_id, "state": home.state.value, "claimed_by": home.claimed_by})
    else:
        _say("HOME_DECLARED_AT", home, home.tenant_id)


def _say(name: str, home: Home | None, home_id: str) -> None:
    from passerelle_ops.terminal import say, sentence

    claimed = sentence("HOME_CLAIMED_BY", network=home.claimed_by) if home is not None and home.claimed_by else ""
    say(name, home=home_id, state=STATES[home.state.value if home is not None else "presumed"], claimed=claimed)


def _run(tenant: str, state: Path | None, actor: Actor, done: Callable[[Act, Locator], Awaitable[_T]]) -> _T:
    import asyncio

    from passerelle.audit.transactions import transaction
    from passerelle_ops.installation import Installation

    async def run() -> _T:
        installation = Installation(settings_of(state))
        try:
            async with acting(tenant, state, actor) as context, transaction(context) as act:
                return await done(act, installation.locator)
        finally:
            await installation.close()

    return asyncio.run(run())
