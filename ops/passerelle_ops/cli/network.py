"""`passerelle network rename`: a network under another name, and every document under its own."""

from __future__ import annotations

from typing import Annotated

import typer

from passerelle_ops.cli.french import FrenchCommand, FrenchGroup
from passerelle_ops.cli.options import Json, State, settings_of

app = typer.Typer(name="network", help="Renommer un réseau.", cls=FrenchGroup, no_args_is_help=True)

Former = Annotated[str, typer.Argument(metavar="ANCIEN", help="Identifiant du réseau, ou l’un de ses noms d’adresse.")]
New = Annotated[str, typer.Argument(metavar="NOUVEAU", help="Son nom dans les adresses, désormais.")]


@app.callback()
def network() -> None:
    """Renommer un réseau."""


@app.command(cls=FrenchCommand)
def rename(former: Former, new: New, state: State = None, as_json: Json = False) -> None:
    """Donner à un réseau un autre nom dans les adresses. L’ancien mène toujours à lui. Sans danger à relancer.

    L’identifiant du réseau et ceux de ses documents ne changent pas. Son nom en toutes lettres se change dans le
    fichier qui le déclare, puis par passerelle tenant create.
    """
    import asyncio

    from passerelle_ops.installation import Installation
    from passerelle_ops.terminal import print_json, say
    from passerelle_tenants import addresses

    async def renamed() -> str:
        installation = Installation(settings_of(state))
        try:
            return await addresses.rename(installation.directory.database, former, new, installation.clock.now())
        finally:
            await installation.close()

    tenant_id = asyncio.run(renamed())
    if as_json:
        print_json({"id": tenant_id, "address": new})
    else:
        say("NETWORK_RENAMED", id=tenant_id, address=new)
