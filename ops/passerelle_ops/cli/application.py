"""The commands put together, and what runs them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import typer
from typer.core import TyperGroup

from passerelle_ops.cli import (
    backup,
    backup_prune,
    bench,
    board,
    demo,
    doctor,
    explain,
    failures,
    federation,
    home,
    ingest,
    journal,
    migrate,
    network,
    patient,
    pharmacy,
    policy,
    recall,
    reference,
    restore,
    serve,
    sizing,
    tenant,
    token,
    verify,
    verify_schemas,
    version,
    worker,
)
from passerelle_ops.cli.french import FrenchCommand, FrenchGroup

_HELP = """Passerelle, l’échange d’informations de santé des réseaux régionaux.

Pour commencer : [bold]passerelle demo[/bold]. Tout ce que la plateforme garde est sous le dossier --state."""

_EPILOG = (
    "Codes de sortie : 0 réussi · 1 échec de ce qui était demandé · 2 demande mal formée · 3 la plateforme ne tourne"
    " pas · 4 l’état des choses ne le permet pas · 5 refusé par une règle · 6 à réessayer plus tard · 7 donnée"
    " altérée · 130 interrompu."
)
_RUN, _FEED, _CHECK = "Faire tourner", "Réseaux, jetons et documents", "Vérifier et mesurer"


def application() -> typer.Typer:
    """Every command, in the order of the help."""
    app = typer.Typer(
        name="passerelle",
        help=_HELP,
        epilog=_EPILOG,
        cls=FrenchGroup,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["--help", "-h"]},
    )
    app.command(cls=FrenchCommand, rich_help_panel=_RUN)(demo.demo)
    app.command(cls=FrenchCommand, rich_help_panel=_RUN)(serve.serve)
    app.command(cls=FrenchCommand, rich_help_panel=_RUN)(worker.worker)
    app.command(cls=FrenchCommand, rich_help_panel=_RUN)(worker.beat)
    app.command(cls=FrenchCommand, rich_help_panel=_RUN)(migrate.migrate)
    app.add_typer(federation.app, rich_help_panel=_RUN)
    app.command("backup-key", cls=FrenchCommand, rich_help_panel=_RUN)(backup.backup_key)
    app.command(cls=FrenchCommand, rich_help_panel=_RUN)(backup.backup)
    app.command("backup-prune", cls=FrenchCommand, rich_help_panel=_RUN)(backup_prune.backup_prune)
    app.command(cls=FrenchCommand, rich_help_panel=_RUN)(restore.restore)
    app.add_typer(tenant.app, rich_help_panel=_FEED)
    app.add_typer(network.app, rich_help_panel=_FEED)
    app.add_typer(token.app, rich_help_panel=_FEED)
    app.command(cls=FrenchCommand, rich_help_panel=_FEED)(ingest.ingest)
    app.add_typer(patient.app, rich_help_panel=_FEED)
    app.add_typer(home.app, rich_help_panel=_FEED)
    app.add_typer(pharmacy.app, rich_help_panel=_FEED)
    app.add_typer(recall.app, rich_help_panel=_FEED)
    app.add_typer(board.app, rich_help_panel=_FEED)
    app.add_typer(reference.app, rich_help_panel=_FEED)
    app.command(cls=FrenchCommand, rich_help_panel=_CHECK)(doctor.doctor)
    verify.app.command("schemas", cls=FrenchCommand)(verify_schemas.schemas)
    app.add_typer(verify.app, rich_help_panel=_CHECK)
    app.add_typer(journal.app, rich_help_panel=_CHECK)
    app.add_typer(policy.app, rich_help_panel=_CHECK)
    app.command(cls=FrenchCommand, rich_help_panel=_CHECK)(explain.explain)
    app.command(cls=FrenchCommand, rich_help_panel=_CHECK)(bench.bench)
    app.command(cls=FrenchCommand, rich_help_panel=_CHECK)(sizing.sizing)
    app.command(cls=FrenchCommand, rich_help_panel=_CHECK)(version.version)
    return app


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command and turn what it raises into a French sentence and an exit code."""
    command = cast(TyperGroup, typer.main.get_command(application()))
    try:
        code = command.main(
            args=None if arguments is None else list(arguments), prog_name="passerelle", standalone_mode=False
        )
    except BaseException as failure:  # noqa: BLE001 - what is not ours goes on to the caller
        return failures.exit_code_of(failure)
    return code if isinstance(code, int) else 0
