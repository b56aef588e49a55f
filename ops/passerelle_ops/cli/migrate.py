"""`passerelle migrate`: every database at the level of this version, or waiting until they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from passerelle_ops.cli.options import Json, State, settings_of

if TYPE_CHECKING:
    from passerelle_ops.settings import Settings

Wait = Annotated[
    float | None,
    typer.Option(
        "--wait", min=0, metavar="SECONDES", help="Ne rien changer : attendre, au plus ce temps, qu’elles y soient."
    ),
]


def migrate(wait: Wait = None, state: State = None, as_json: Json = False) -> None:
    """Mettre au niveau de cette version les bases de l’annuaire et de chaque réseau déclaré. Sans danger à relancer.

    Un réseau déclaré qui n’existe pas encore est mis en place. Avec --wait, les bases que nomme l’environnement sont
    seulement regardées, sous le compte qui les sert : c’est ce qu’un processus fait avant de démarrer.
    """
    settings = settings_of(state)
    if wait is None:
        _migrate(settings, as_json)
    else:
        _await(settings, wait)


def _migrate(settings: Settings, as_json: bool) -> None:
    import asyncio

    from passerelle_ops.installation import Installation
    from passerelle_ops.terminal import print_json, say
    from passerelle_tenants.registry import load_networks

    networks = load_networks(settings.networks)

    async def set_up() -> dict[str, bool]:
        installation = Installation(settings)
        try:
            await installation.prepare_directory()
            return {each.id: await installation.set_up(each) for each in networks.values()}
        finally:
            await installation.close()

    done = asyncio.run(set_up())
    if as_json:
        print_json([{"id": each, "created": is_new} for each, is_new in done.items()])
        return
    for each, is_new in done.items():
        say("NETWORK_CREATED" if is_new else "NETWORK_REFRESHED", id=each, name=networks[each].name)


def _await(settings: Settings, seconds: float) -> None:
    import time

    from passerelle.kernel.errors import TryLater
    from passerelle_ops.revisions import behind
    from passerelle_ops.terminal import remark

    end, told = time.monotonic() + seconds, False
    while missing := behind(settings):
        if time.monotonic() >= end:
            raise TryLater("DATABASES_BEHIND", retry_after=30, databases=", ".join(missing))
        if not told:
            remark("DATABASES_AWAITED", databases=", ".join(missing))
            told = True
        time.sleep(1)
