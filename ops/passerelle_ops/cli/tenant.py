"""`passerelle tenant create|list|show|key|rotate-key|rotate-sealing|seal-key`: the networks of this installation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from passerelle_ops.cli.french import FrenchCommand, FrenchGroup
from passerelle_ops.cli.options import Json, State, settings_of
from passerelle_ops.cli.tenant_keys import rotate_key, rotate_sealing, seal_key

if TYPE_CHECKING:
    from passerelle_tenants.registry import Network

app = typer.Typer(name="tenant", help="Mettre en place et montrer les réseaux.", cls=FrenchGroup, no_args_is_help=True)
app.command("rotate-key", cls=FrenchCommand)(rotate_key)
app.command("rotate-sealing", cls=FrenchCommand)(rotate_sealing)
app.command("seal-key", cls=FrenchCommand)(seal_key)

Declared = Annotated[
    str,
    typer.Argument(metavar="RÉSEAU", help="Identifiant d’un réseau déclaré, ou chemin du fichier TOML qui le déclare."),
]
New = Annotated[Path, typer.Argument(metavar="FICHIER", dir_okay=False, help="Fichier de clé à créer.")]
Known = Annotated[str, typer.Argument(metavar="RÉSEAU", help="Identifiant du réseau.")]


@app.command(cls=FrenchCommand)
def create(network: Declared, state: State = None, as_json: Json = False) -> None:
    """Mettre en place un réseau : base, rôle, schéma, clé, annuaire. Sans danger à relancer."""
    import asyncio

    from passerelle_ops.installation import Installation
    from passerelle_ops.terminal import print_json, remark, say
    from passerelle_tenants.onboarding import Step
    from passerelle_tenants.registry import read_network

    settings = settings_of(state)
    path = Path(network) if network.endswith(".toml") else settings.networks / f"{network}.toml"
    declared = read_network(path)

    async def set_up() -> bool:
        installation = Installation(settings)
        try:
            await installation.prepare_directory()
            return await installation.set_up(declared, lambda step: remark(f"STEP_{Step(step).name}"))
        finally:
            await installation.close()

    is_new = asyncio.run(set_up())
    if as_json:
        print_json({"id": declared.id, "name": declared.name, "created": is_new})
    else:
        say("NETWORK_CREATED" if is_new else "NETWORK_REFRESHED", id=declared.id, name=declared.name)


@app.command("list", cls=FrenchCommand)
def list_(state: State = None, as_json: Json = False) -> None:
    """Lister les réseaux mis en place ici."""
    from rich.markup import escape

    from passerelle_ops.terminal import output, print_json, say, table

    networks = _recorded(state)
    if as_json:
        print_json([_summary(each) for each in networks.values()])
        return
    if not networks:
        say("NETWORKS_NONE_HERE")
        return
    rows = [
        [each.id, escape(each.name), "oui" if each.is_test else "non", str(len(list(each.establishments())))]
        for each in networks.values()
    ]
    output().print(table("Réseaux", ["Identifiant", "Nom", "Essai", "Établissements"], rows))


@app.command(cls=FrenchCommand)
def show(network: Known, state: State = None, as_json: Json = False) -> None:
    """Montrer un réseau : l’empreinte de sa clé, ses bassins, ses établissements, ses règles."""
    from rich.markup import escape

    from passerelle.kernel.errors import InvalidInput
    from passerelle_ops.terminal import output, print_json, say, table

    found = _recorded(state).get(network)
    if found is None:
        raise InvalidInput("TENANT_UNKNOWN", tenant=network[:31])
    if as_json:
        print_json({**found.model_dump(mode="json"), "key_id": _key_id(state, network)})
        return
    say("NETWORK_SHOWN", id=found.id, name=found.name)
    say("NETWORK_KEY", key=_key_id(state, network))
    rows = [[escape(basin.name), each.finess, escape(each.name)] for basin, each in found.establishments()]
    output().print(table("Établissements", ["Bassin de santé", "FINESS", "Nom"], rows))
    rules = [[escape(name), escape(str(value))] for name, value in found.parameters.items()]
    rules += [
        [f"INS {oid}", f"statut {status.value} quand le document ne le dit pas"]
        for oid, status in found.identity.status_when_unsaid.items()
    ]
    rules.append(["Alimentation", "ouvre le dossier absent" if found.ingest.opens_dossier else "n’ouvre aucun dossier"])
    output().print(table("Règles propres", ["Règle", "Valeur"], rules))


@app.command(cls=FrenchCommand)
def key(file: New) -> None:
    """Tirer une clé dans un fichier neuf : celle d’un réseau (<réseau>.key) ou du répertoire (locator.key).

    « create » tire celles qui manquent ; cette commande sert où les clés sont déposées d’avance, comme sur Kubernetes.
    """
    from passerelle.kernel.key_place import KeyPlace
    from passerelle.kernel.keys import Keys
    from passerelle_ops.installation import key_seal
    from passerelle_ops.settings import Settings
    from passerelle_ops.terminal import say

    Keys.create(KeyPlace(file.absolute(), seal=key_seal(Settings())))
    say("KEY_DRAWN", file=str(file))


def _recorded(state: Path | None) -> dict[str, Network]:
    import asyncio

    from passerelle_ops.installation import Installation
    from passerelle_tenants.registry import recorded_networks

    async def read() -> dict[str, Network]:
        installation = Installation(settings_of(state))
        try:
            return await recorded_networks(installation.directory.database)
        finally:
            await installation.close()

    return asyncio.run(read())


def _key_id(state: Path | None, network: str) -> str:
    """The fingerprint that the network publishes: what exports and certificates are verified with."""
    from passerelle.audit.verifier import key_id_of
    from passerelle.kernel.keys import Keys
    from passerelle_ops.installation import Installation

    return key_id_of(Keys.load(Installation(settings_of(state)).keys_of(network)).public_key)


def _summary(network: Network) -> dict[str, object]:
    return {
        "id": network.id,
        "name": network.name,
        "is_test": network.is_test,
        "establishments": len(list(network.establishments())),
    }
