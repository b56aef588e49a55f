"""`passerelle backup-prune`: archives past their time, and contents that none left refers to, taken away."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from passerelle_ops.cli.backup import OneTenant, TheDirectory, one_of
from passerelle_ops.cli.options import Json, State, settings_of

if TYPE_CHECKING:
    from passerelle_ops.backup.pruning import Superfluous

From = Annotated[str, typer.Option("--from", metavar="LIEU", help="Dossier, ou s3://seau/préfixe, des sauvegardes.")]
Key = Annotated[
    Path,
    typer.Option(
        "--key", envvar="PASSERELLE_BACKUP_KEY", metavar="FICHIER", dir_okay=False, help="Clé privée de sauvegarde."
    ),
]
Days = Annotated[int, typer.Option("--days", min=1, help="Garder toutes celles de ces derniers jours.")]
Months = Annotated[int, typer.Option("--months", min=0, help="Et la première de chacun de ces derniers mois.")]
Yes = Annotated[bool, typer.Option("--yes", help="Retirer. Sans cela, dire seulement ce qui serait retiré.")]


def backup_prune(
    source: From,
    key: Key,
    tenant: OneTenant = None,
    directory: TheDirectory = False,
    days: Days = 35,
    months: Months = 0,
    yes: Yes = False,
    state: State = None,
    as_json: Json = False,
) -> None:
    """Retirer les sauvegardes trop anciennes, et les contenus auxquels aucune de celles qui restent ne renvoie.

    Celles qui restent sont lues jusqu’au bout. La dernière qui soit entière reste toujours ; si l’une ne peut être lue,
    aucun contenu n’est retiré. Le registre n’est jamais élagué.
    """
    import asyncio

    from passerelle_ops.terminal import output, print_json, say, table

    one_of(tenant, directory=directory)
    what = asyncio.run(_prune(source, key, tenant, (days, months), state, yes=yes))
    if as_json:
        from dataclasses import asdict

        print_json({**asdict(what), "done": yes})
        return
    unread = {*what.unread}
    rows = [[each, "reste, illisible" if each in unread else "reste"] for each in what.kept]
    rows += [[each, "retirée" if yes else "à retirer"] for each in what.archives]
    output().print(table("Sauvegardes", ["Nom", ""], sorted(rows), whole=["Nom"]))
    if what.unread:
        say("PRUNE_UNREAD", count=len(what.unread))
    code = "PRUNE_DONE" if yes else "PRUNE_WOULD"
    say(code, archives=len(what.archives), contents=len(what.contents))


async def _prune(
    at: str, key: Path, tenant: str | None, keep: tuple[int, int], state: Path | None, *, yes: bool
) -> Superfluous:
    from passerelle_ops.backup.envelope import Opener
    from passerelle_ops.backup.places import Place
    from passerelle_ops.backup.progress import shown
    from passerelle_ops.backup.pruning import Retention, superfluous, take_away
    from passerelle_ops.backup.sources import opened

    opener, place = Opener.load(key), Place(at)
    async with opened(settings_of(state), tenant) as (installation, source):
        with shown() as on_progress:
            what = await superfluous(source, place, opener, Retention(*keep), installation.clock, on_progress)
        if yes:
            await take_away(source, place, what)
        return what
