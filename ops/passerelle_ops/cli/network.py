"""`passerelle network`: a network under another name, or merged into another; every document under its own."""

from __future__ import annotations

from typing import Annotated

import typer

from passerelle_ops.cli.french import FrenchCommand, FrenchGroup
from passerelle_ops.cli.options import Json, State, settings_of

app = typer.Typer(
    name="network", help="Renommer un réseau, ou le faire rejoindre un autre.", cls=FrenchGroup, no_args_is_help=True
)

Former = Annotated[str, typer.Argument(metavar="ANCIEN", help="Identifiant du réseau, ou l’un de ses noms d’adresse.")]
Merged = Annotated[str, typer.Argument(metavar="RÉSEAU", help="Le réseau qui rejoint l’autre.")]
Into = Annotated[str, typer.Argument(metavar="REJOINT", help="Le réseau où tout se poursuit.")]
New = Annotated[str, typer.Argument(metavar="NOUVEAU", help="Son nom dans les adresses, désormais.")]


@app.callback()
def network() -> None:
    """Renommer un réseau, ou le faire rejoindre un autre."""


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


@app.command(cls=FrenchCommand)
def merge(network: Merged, into: Into, state: State = None, as_json: Json = False) -> None:
    """Faire rejoindre un réseau par ses patients, un à un, à un autre. Sans danger à relancer : dit où cela en est.

    Les processus en marche font passer les patients, leurs choix et leurs dossiers. Les documents restent où ils sont,
    sous leur identité, et se lisent par le réseau rejoint. Quand plus rien n’est à faire, le premier n’accepte plus
    d’écriture et dit où s’adresser.
    """
    import asyncio
    from dataclasses import asdict

    from passerelle_ops.installation import Installation
    from passerelle_ops.terminal import print_json, say
    from passerelle_tenants import merges
    from passerelle_tenants.federation import merging

    async def merged() -> tuple[str, bool, merging.Left]:
        installation = Installation(settings_of(state))
        try:
            directory = installation.directory.database
            tenant_id = await merges.begin(directory, network, into, installation.clock.now())
            left = await merging.left(await (await installation.registry()).tenant(tenant_id), installation.locator)
            said = await merges.merge_of(directory, tenant_id)
            return tenant_id, said is not None and said.is_done, left
        finally:
            await installation.close()

    tenant_id, is_done, left = asyncio.run(merged())
    if as_json:
        print_json({"id": tenant_id, "is_done": is_done, "left": asdict(left)})
        return
    say("NETWORK_MERGED_INTO" if is_done else "NETWORK_MERGING", id=tenant_id, into=into, **asdict(left))
    if left.unknown:
        say("NETWORK_MERGE_UNKNOWN", id=tenant_id, count=left.unknown)
