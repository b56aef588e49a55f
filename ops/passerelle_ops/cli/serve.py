"""`passerelle serve`: the platform in the foreground, without demo data."""

from __future__ import annotations

from typing import Annotated

import typer

from passerelle_ops.cli.options import State, settings_of

Port = Annotated[
    int | None, typer.Option("--port", min=1, max=65535, metavar="PORT", help="Port de la passerelle (127.0.0.1).")
]


def serve(state: State = None, port: Port = None) -> None:
    """Faire tourner la plateforme au premier plan, sans données de démonstration.

    Prépare les bases, met en place les réseaux déclarés (dossier des fichiers TOML), puis démarre la passerelle et
    le travailleur et les surveille. Ctrl-C arrête tout proprement. PASSERELLE_ISSUER nomme l’émetteur de jetons ;
    sans lui, hors production, l’émetteur de démonstration le remplace.
    """
    from passerelle_ops.demo.region import serve_networks

    raise typer.Exit(serve_networks(settings_of(state), port=port))
