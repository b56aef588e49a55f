"""`passerelle federation …`: what networks of this installation owe each other, and what is not sent any more."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar, cast
from uuid import UUID

import typer

from passerelle_ops.cli.french import FrenchCommand, FrenchGroup
from passerelle_ops.cli.operating import as_operator
from passerelle_ops.cli.options import Json, State, Tenant, settings_of

if TYPE_CHECKING:
    from passerelle.audit.transactions import Act
    from passerelle_ops.installation import Installation
    from passerelle_tenants.federation.dead_letters import DeadLetter

app = typer.Typer(
    name="federation",
    help="Échanges entre réseaux : où ils en sont, ce qui n’est plus envoyé, les clés.",
    cls=FrenchGroup,
    no_args_is_help=True,
)

_T = TypeVar("_T")
Known = Annotated[str, typer.Argument(metavar="RÉSEAU", help="Identifiant du réseau.")]
To = Annotated[str | None, typer.Option("--to", metavar="RÉSEAU", help="Vers ce réseau seulement.")]
Kind = Annotated[
    str | None, typer.Option("--kind", metavar="GENRE", help="De ce genre seulement (document, dossier…).")
]
Object = Annotated[UUID | None, typer.Option("--object", metavar="OBJET", help="Cet objet seulement.")]
First = Annotated[int, typer.Option("--first", metavar="N", min=1, max=10_000, help="Combien, au plus.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXTE", help="Pourquoi ; gardé au journal du réseau.")]
During = Annotated[
    float, typer.Option("--seconds", metavar="S", min=0.1, max=60, help="Sur combien de temps mesurer le débit.")
]


@app.command(cls=FrenchCommand)
def status(during: During = 1.0, state: State = None, as_json: Json = False) -> None:
    """Entre chaque réseau et chaque autre : en attente, en route, le plus ancien, le débit, ce qui est arrêté."""
    import asyncio

    from passerelle_ops.federating_status import standings
    from passerelle_ops.federation_report import rates, show_status, status_document
    from passerelle_ops.terminal import print_json

    async def look(installation: Installation) -> None:
        registry = await installation.registry()
        networks = sorted(registry.networks)
        before = await standings(registry.tenant, networks, installation.clock)
        await asyncio.sleep(during)
        after, now = await standings(registry.tenant, networks, installation.clock), installation.clock.now()
        speeds = rates(before, after, during)
        if as_json:
            print_json(status_document(after, speeds, now))
        else:
            show_status(after, speeds, now)

    asyncio.run(_opened(state, look))


@app.command("list", cls=FrenchCommand)
def listed(
    tenant: Tenant, to: To = None, kind: Kind = None, first: First = 100, state: State = None, as_json: Json = False
) -> None:
    """Ce qu’un réseau n’envoie plus, parce que l’autre l’a refusé ou n’a jamais pu le prendre."""
    import asyncio

    from passerelle_ops.federation_report import dead_document, show_dead
    from passerelle_ops.terminal import print_json, say
    from passerelle_tenants.federation.dead_letters import Which, dead

    async def look(installation: Installation) -> Sequence[DeadLetter]:
        return await dead(await (await installation.registry()).tenant(tenant), Which(to_tenant=to, kind=kind), first)

    found = asyncio.run(_opened(state, look))
    if as_json:
        print_json(dead_document(found))
    elif found:
        show_dead(found)
    else:
        say("FEDERATION_NONE_DEAD")


@app.command(cls=FrenchCommand)
def retry(
    tenant: Tenant,
    to: To = None,
    kind: Kind = None,
    object_id: Object = None,
    state: State = None,
    as_json: Json = False,
) -> None:
    """Envoyer de nouveau, tel que c’est aujourd’hui, ce qui n’était plus envoyé : tout, ou selon les options."""
    import asyncio

    from passerelle_ops.terminal import print_json, say
    from passerelle_tenants.federation import dead_letters

    which = dead_letters.Which(to_tenant=to, kind=kind, object_id=object_id)
    count = asyncio.run(as_operator(tenant, state, lambda act: dead_letters.retry(act, which)))
    if as_json:
        print_json({"retried": count})
    else:
        say("FEDERATION_RETRIED", count=count)


@app.command(cls=FrenchCommand)
def drop(
    tenant: Tenant,
    reason: Reason,
    to: To = None,
    kind: Kind = None,
    object_id: Object = None,
    state: State = None,
    as_json: Json = False,
) -> None:
    """Renoncer à envoyer ce qui ne l’est plus, jusqu’à ce que l’objet change. Inscrit au journal avec le motif."""
    import asyncio

    from passerelle_ops.federating_acts import give_up
    from passerelle_ops.terminal import print_json, say
    from passerelle_tenants.federation.dead_letters import Which

    which = Which(to_tenant=to, kind=kind, object_id=object_id)
    count = asyncio.run(as_operator(tenant, state, lambda act: give_up(act, which, reason)))
    if as_json:
        print_json({"dropped": count})
    else:
        say("FEDERATION_DROPPED", count=count)


@app.command(cls=FrenchCommand)
def rotate(network: Known, state: State = None, as_json: Json = False) -> None:
    """Changer les clés d’échange d’un réseau, sans arrêt : les anciennes restent crues le temps d’un délai."""
    import asyncio

    from passerelle.identities.directory import Directory
    from passerelle_ops.federating_acts import renew_keys
    from passerelle_ops.terminal import print_json, say

    async def renew(act: Act) -> tuple[int, int]:
        return await renew_keys(act, cast(Directory, act.context.directory).database)

    generation, hours = asyncio.run(as_operator(network, state, renew))
    if as_json:
        print_json({"network": network, "generation": generation, "grace_hours": hours})
    else:
        say("FEDERATION_ROTATED", network=network, generation=generation, hours=hours)


async def _opened(state: Path | None, done: Callable[[Installation], Awaitable[_T]]) -> _T:
    from passerelle_ops.installation import Installation

    installation = Installation(settings_of(state))
    try:
        return await done(installation)
    finally:
        await installation.close()
