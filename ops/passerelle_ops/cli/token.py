"""`passerelle token …`: sign in as someone of the demo, or revoke a token. Prints the bare token, for `$(…)`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from passerelle_ops.cli.french import FrenchCommand, FrenchGroup
from passerelle_ops.cli.options import State, settings_of
from passerelle_ops.cli.token_revoke import revoke

app = typer.Typer(
    name="token",
    help="Écrire un jeton de l’émetteur de démonstration, seul sur sa ligne ; en révoquer un, de tout émetteur.",
    cls=FrenchGroup,
    no_args_is_help=True,
)

app.command(cls=FrenchCommand)(revoke)

Professional = Annotated[str, typer.Argument(metavar="QUI", help="Nom de famille, ou numéro RPPS.")]
Person = Annotated[str, typer.Argument(metavar="QUI", help="Prénom, ou matricule INS.")]
Network = Annotated[str, typer.Argument(metavar="RÉSEAU", help="Identifiant du réseau, par exemple oncopl.")]
Minutes = Annotated[int, typer.Option("--minutes", metavar="N", help="Durée de validité (négative : déjà expiré).")]
Structure = Annotated[str, typer.Option("--structure", metavar="FINESS", help="Structure d’où agit le logiciel.")]


@app.command(cls=FrenchCommand)
def professional(who: Professional, state: State = None, minutes: Minutes = 720) -> None:
    """Un professionnel de la démonstration (revendications de Pro Santé Connect)."""
    from passerelle_ops.demo.signing_in import SignIn

    desk = SignIn(settings_of(state))
    typer.echo(desk.professional(desk.find_professional(who), valid_for=timedelta(minutes=minutes)))


@app.command(cls=FrenchCommand)
def person(who: Person, state: State = None, minutes: Minutes = 720) -> None:
    """Un patient ou un représentant de la démonstration."""
    from passerelle_ops.demo.signing_in import SignIn

    desk = SignIn(settings_of(state))
    typer.echo(desk.person(desk.find_person(who), valid_for=timedelta(minutes=minutes)))


@app.command(cls=FrenchCommand)
def officer(network: Network, state: State = None, minutes: Minutes = 720) -> None:
    """Le délégué à la protection des données d’un réseau de la démonstration."""
    from passerelle_ops.demo.signing_in import SignIn

    typer.echo(SignIn(settings_of(state)).officer(network, valid_for=timedelta(minutes=minutes)))


@app.command(cls=FrenchCommand)
def authority(network: Network, state: State = None, minutes: Minutes = 720) -> None:
    """L’autorité sanitaire qui émet les rappels et les alertes dans un réseau de la démonstration."""
    from passerelle_ops.demo.signing_in import SignIn

    typer.echo(SignIn(settings_of(state)).authority(network, valid_for=timedelta(minutes=minutes)))


@app.command(cls=FrenchCommand, name="network")
def cancer_network(network: Network, state: State = None, minutes: Minutes = 720) -> None:
    """Le réseau régional de cancérologie, qui valide les RCP d’un réseau de la démonstration."""
    from passerelle_ops.demo.signing_in import SignIn

    typer.echo(SignIn(settings_of(state)).cancer_network(network, valid_for=timedelta(minutes=minutes)))


@app.command(cls=FrenchCommand)
def software(who: Professional, state: State = None, structure: Structure = "", minutes: Minutes = 720) -> None:
    """Un logiciel qui agit pour un professionnel nommé (comme le fait le VIHF)."""
    from passerelle_ops.demo.signing_in import SignIn

    desk = SignIn(settings_of(state))
    typer.echo(desk.software(desk.find_professional(who), structure=structure, valid_for=timedelta(minutes=minutes)))
