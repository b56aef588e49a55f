"""`passerelle backup` and `backup-key`: a network, or the directory, sealed to the operator's key."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from passerelle_ops.cli.options import Json, State, settings_of

if TYPE_CHECKING:
    from passerelle.audit.narrowings import Waiting
    from passerelle_ops.backup.making import Made

OneTenant = Annotated[
    str | None,
    typer.Option("--tenant", "-t", metavar="RÉSEAU", help="Identifiant du réseau (passerelle tenant list)."),
]
TheDirectory = Annotated[bool, typer.Option("--directory", help="L’annuaire, plutôt qu’un réseau.")]
To = Annotated[str, typer.Option("--to", metavar="LIEU", help="Dossier, ou s3://seau/préfixe.")]
For = Annotated[
    Path,
    typer.Option(
        "--recipient",
        envvar="PASSERELLE_BACKUP_RECIPIENT",
        metavar="FICHIER",
        dir_okay=False,
        help="Clé publique de sauvegarde (passerelle backup-key).",
    ),
]


Compare = Annotated[
    bool,
    typer.Option("--compare", help="Relire les contenus que le lieu a déjà, et recopier ceux dont un octet diffère."),
]


def backup_key(
    private: Annotated[
        Path, typer.Argument(metavar="FICHIER", help="Où écrire la clé privée ; la publique : FICHIER.pub")
    ],
) -> None:
    """Faire la paire de clés des sauvegardes : la publique sauvegarde, la privée seule restaure."""
    from passerelle_ops.backup.envelope import create_keys
    from passerelle_ops.terminal import say

    public = private.with_name(f"{private.name}.pub")
    say("BACKUP_KEY_MADE", id=create_keys(private, public), private=str(private), public=str(public))


def backup(
    to: To,
    recipient: For,
    tenant: OneTenant = None,
    directory: TheDirectory = False,
    compare: Compare = False,
    state: State = None,
    as_json: Json = False,
) -> None:
    """Sauvegarder un réseau, ou l’annuaire : base, contenus, clés enveloppées et têtes signées, chiffrés et signés.

    La clé racine du réseau n’y est pas : gardez son fichier à part. Ce qui est déjà dans le lieu n’est pas recopié.
    """
    import asyncio
    from dataclasses import asdict

    from passerelle_ops.terminal import print_json, say

    one_of(tenant, directory=directory)
    made, waiting = asyncio.run(_back_up(to, recipient, tenant, state, compare=compare))
    if as_json:
        print_json({**asdict(made), "ledger": asdict(waiting)})
        return
    say("BACKUP_MADE", name=made.name, tables=made.tables, rows=made.rows, contents=made.contents, copied=made.copied)
    if waiting.changes:
        say("LEDGER_LAG", changes=waiting.changes, seconds=round(waiting.seconds))


def one_of(tenant: str | None, *, directory: bool) -> None:
    """Refuse both, or neither."""
    if (tenant is None) is not directory:
        raise typer.BadParameter("donnez un réseau avec --tenant, ou --directory", param_hint="--tenant")


async def _back_up(
    to: str, recipient: Path, tenant: str | None, state: Path | None, *, compare: bool
) -> tuple[Made, Waiting]:
    from passerelle.audit import narrowings
    from passerelle_ops.backup.envelope import Recipient
    from passerelle_ops.backup.making import back_up
    from passerelle_ops.backup.places import Place
    from passerelle_ops.backup.progress import shown
    from passerelle_ops.backup.sources import opened

    key, place = Recipient.load(recipient), Place(to)
    async with opened(settings_of(state), tenant) as (installation, source):
        with shown() as on_progress:
            made = await back_up(source, place, key, installation.clock, on_progress, compare=compare)
        async with source.database.transaction() as connection:
            return made, await narrowings.waiting(connection)
