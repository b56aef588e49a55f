"""`passerelle demo`: a region that runs on one machine, with invented people."""

from __future__ import annotations

from typing import Annotated

import typer

from passerelle_ops.cli.options import State, settings_of
from passerelle_ops.cli.serve import Port

Ephemeral = Annotated[bool, typer.Option("--ephemeral", help="Ne rien laisser derrière soi (dossier provisoire).")]
Check = Annotated[bool, typer.Option("--check", help="Dérouler la visite guidée par HTTP, l’afficher, puis s’arrêter.")]


def demo(state: State = None, ephemeral: Ephemeral = False, check: Check = False, port: Port = None) -> None:
    """Faire tourner une région de démonstration : quatre réseaux, des gens inventés, leurs documents.

    Affiche qui peut se connecter, des commandes prêtes à coller pour chacun et ce qu’il doit voir. Relancée sur le
    même dossier, la région est reprise telle qu’elle était. Avec --check, une visite guidée passe par les vraies
    adresses HTTP et la commande sort avec 1 si une étape échoue.
    """
    import shutil
    import tempfile
    from pathlib import Path

    from passerelle_ops.demo.region import demonstrate

    if ephemeral and state is not None and state.exists() and any(state.iterdir()):
        raise typer.BadParameter("le dossier n’est pas vide, --ephemeral l’effacerait", param_hint="--state")
    if not ephemeral:
        raise typer.Exit(demonstrate(settings_of(state), port=port, check=check))
    folder = state or Path(tempfile.mkdtemp(prefix="passerelle-demo-"))
    try:
        code = demonstrate(settings_of(folder), port=port, check=check, durable=False)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    raise typer.Exit(code)
