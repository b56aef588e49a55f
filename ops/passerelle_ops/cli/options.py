"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from passerelle_ops.settings import Settings

State = Annotated[
    Path | None,
    typer.Option(
        "--state",
        envvar="PASSERELLE_STATE",
        file_okay=False,
        metavar="DOSSIER",
        help="Dossier qui garde tout : bases, documents, clés, journaux.",
        show_default="./state",
    ),
]
Tenant = Annotated[
    str, typer.Option("--tenant", "-t", metavar="RÉSEAU", help="Identifiant du réseau (passerelle tenant list).")
]
Json = Annotated[bool, typer.Option("--json", help="Écrire un objet JSON plutôt qu’un tableau.")]


def settings_of(state: Path | None) -> Settings:
    """The settings of the environment, with the state folder that the command line names."""
    from passerelle_ops.settings import Settings

    return Settings(state=state.absolute()) if state is not None else Settings()
