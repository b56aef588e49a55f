"""`passerelle tenant rotate-key|rotate-sealing|seal-key`: a network's keys, changed while it serves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from passerelle_ops.cli.operating import acting, as_operator, operator
from passerelle_ops.cli.options import Json, State, settings_of

if TYPE_CHECKING:
    from passerelle.audit.transactions import Act
    from passerelle.kernel.context import Context
    from passerelle.kernel.key_place import KeyPlace
    from passerelle.kernel.key_rotation import Rewrapped

Known = Annotated[str, typer.Argument(metavar="RÉSEAU", help="Identifiant du réseau.")]
Prepare = Annotated[
    bool, typer.Option("--prepare", help="Tirer la nouvelle clé à côté de l’ancienne, sans s’en servir encore.")
]
OrLocator = Annotated[str | None, typer.Argument(metavar="[RÉSEAU]", help="Identifiant du réseau.")]
Opened = Annotated[
    Path | None,
    typer.Option("--open", metavar="COPIE", dir_okay=False, help="Écrire les clés, ouvertes, dans ce fichier neuf."),
]
PrepareSealing = Annotated[
    bool, typer.Option("--prepare", help="Tirer la clé suivante dans le fichier, sans qu’elle scelle encore.")
]
Retire = Annotated[
    Path | None,
    typer.Option(
        "--retire",
        metavar="COPIE",
        dir_okay=False,
        help="Retirer l’ancienne du fichier, gardé tel qu’il était dans ce fichier neuf.",
    ),
]


def rotate_key(
    network: Known, prepare: Prepare = False, retire: Retire = None, state: State = None, as_json: Json = False
) -> None:
    """Changer sans arrêt la clé qui enveloppe celles des dossiers : --prepare, puis sans option, puis --retire.

    Sans option : la clé préparée sert désormais, et les clés des dossiers passent sous elle ; à relancer si c’est
    coupé. Entre deux étapes, une copie du fichier de clé. Les contenus ne sont pas touchés (docs/keys.md).
    """
    from passerelle_ops.terminal import print_json, say

    if prepare and retire is not None:
        raise typer.BadParameter("--prepare et --retire sont deux étapes distinctes.")
    said: dict[str, str | int] = {"network": network}
    if prepare:
        said |= {"version": _prepared(network, state)}
        sentence = "WRAPPING_PREPARED"
    elif retire is not None:
        said |= {"version": _retired(network, state, retire.absolute()), "copy": str(retire)}
        sentence = "WRAPPING_RETIRED"
    else:
        version, found = _rewrapped(network, state)
        said |= {"version": version, "rewrapped": found.done, "unopened": found.unopened}
        sentence = "WRAPPING_REWRAPPED"
    if as_json:
        print_json(said)
    else:
        say(sentence, **said)
        if said.get("unopened"):
            say("WRAPPING_UNOPENED", count=said["unopened"])
    if said.get("unopened"):
        raise typer.Exit(1)


def rotate_sealing(network: Known, prepare: PrepareSealing = False, state: State = None, as_json: Json = False) -> None:
    """Changer sans arrêt la clé qui scelle le journal : --prepare, puis sans option.

    Sans option : la clé préparée scelle désormais, sur toutes les machines à la fois, et les deux clés signent qu’elle
    succède à l’ancienne, qui quitte le fichier. À relancer si c’est coupé (docs/keys.md).
    """
    import asyncio

    from passerelle_ops import sealing_keys
    from passerelle_ops.terminal import print_json, say

    async def put_in_use() -> str:
        async with acting(network, state, operator("tenant rotate-sealing")) as context:
            return await sealing_keys.put_in_use(context, _file_of(context, state))

    if prepare:
        key = asyncio.run(as_operator(network, state, lambda act: sealing_keys.prepare(act, _file(act, state))))
    else:
        key = asyncio.run(put_in_use())
    if as_json:
        print_json({"network": network, "key_id": key})
    else:
        say("SEALING_PREPARED" if prepare else "SEALING_CHANGED", key=key)


def seal_key(network: OrLocator = None, opened: Opened = None, state: State = None) -> None:
    """Sceller le fichier de clé par le service de clés (PASSERELLE_VAULT_URL), celui de l’annuaire sans RÉSEAU.

    À relancer quand la clé du service a changé : le fichier passe sous sa dernière version. Avec --open, le fichier ne
    change pas : ce qu’il contient est écrit ouvert dans un fichier neuf, à garder en lieu sûr.
    """
    from passerelle.kernel.errors import InvalidInput
    from passerelle_ops.installation import Installation
    from passerelle_ops.terminal import say

    installation = Installation(settings_of(state))
    place = installation.locator_key if network is None else installation.keys_of(network)
    if place.seal is None:
        raise InvalidInput("KEY_SERVICE_UNSET")
    if opened is None:
        with place.in_turn():
            place.replace(place.read())
        say("KEY_SEALED", file=str(place.path))
        return
    place.open_copy(opened.absolute())
    say("KEY_OPENED", file=str(opened))


def _prepared(network: str, state: Path | None) -> int:
    import asyncio

    from passerelle_ops import wrapping_keys

    return asyncio.run(as_operator(network, state, lambda act: wrapping_keys.prepare(act, _file(act, state))))


def _retired(network: str, state: Path | None, copy: Path) -> int:
    import asyncio

    from passerelle_ops import wrapping_keys

    return asyncio.run(as_operator(network, state, lambda act: wrapping_keys.retire(act, _file(act, state), copy)))


def _rewrapped(network: str, state: Path | None) -> tuple[int, Rewrapped]:
    import asyncio

    from passerelle.audit.transactions import transaction
    from passerelle.kernel.key_rotation import rewrap
    from passerelle_ops import wrapping_keys
    from passerelle_ops.terminal import progress

    async def done() -> tuple[int, Rewrapped]:
        async with acting(network, state, operator("tenant rotate-key")) as context:
            async with transaction(context) as act:
                version = await wrapping_keys.put_in_use(act, _file(act, state))
            with progress() as bar:
                task = bar.add_task("Clés", total=None)
                found = await rewrap(
                    context.tenant,
                    wrapping_keys.HELD,
                    lambda done, total: bar.update(task, completed=done, total=total),
                )
            return version, found

    return asyncio.run(done())


def _file(act: Act, state: Path | None) -> KeyPlace:
    return _file_of(act.context, state)


def _file_of(context: Context, state: Path | None) -> KeyPlace:
    """The key file of the network that was named, by its id or by an address."""
    from passerelle_ops.installation import Installation

    return Installation(settings_of(state)).keys_of(context.tenant.id)
