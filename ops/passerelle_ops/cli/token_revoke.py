"""`passerelle token revoke`: a token, or all that someone was given until now, believed no more."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from passerelle_ops.cli.options import State, settings_of

Jti = Annotated[str | None, typer.Option("--jti", metavar="ID", help="Le jeton que l’émetteur a ainsi numéroté.")]
Subject = Annotated[
    str | None,
    typer.Option("--subject", metavar="SUB", help="Tous les jetons donnés jusqu’ici à ce sujet (revendication sub)."),
]
FromIssuer = Annotated[
    str | None,
    typer.Option("--issuer", metavar="URL", help="L’émetteur, pour --jti et --subject.", show_default="celui d’ici"),
]


def revoke(jti: Jti = None, subject: Subject = None, issuer: FromIssuer = None, state: State = None) -> None:
    """Révoquer un jeton (sur l’entrée standard, ou par son numéro), ou tous ceux d’un sujet.

    Chaque processus le sait en quelques secondes ; qui suivait un dossier cesse de le suivre. Un jeton donné au même
    sujet après la révocation est accepté : c’est à l’émetteur de n’en plus donner.
    """
    import asyncio

    if jti is not None and subject is not None:
        raise typer.BadParameter("ou l’un, ou l’autre", param_hint="--jti, --subject")
    token = None if jti or subject else sys.stdin.read().strip()
    asyncio.run(_revoked(token, jti, subject, issuer, state))
    typer.echo("Révoqué. Chaque processus le sait en quelques secondes.")


async def _revoked(
    token: str | None, jti: str | None, subject: str | None, issuer: str | None, state: Path | None
) -> None:
    from passerelle.identities.revocations import Revocations, id_mark, subject_mark
    from passerelle.identities.tokens import denial_of
    from passerelle_ops.installation import Installation

    settings = settings_of(state)
    installation = Installation(settings)
    try:
        until = None
        if token is not None:
            mark, until = denial_of(token)
        else:
            by = issuer or settings.issuer or installation.state.what_runs().url("issuer")
            mark = id_mark(by, jti) if jti is not None else subject_mark(by, subject or "")
        await Revocations(installation.directory.database, installation.clock).revoke(mark, until=until)
    finally:
        await installation.close()
