"""`passerelle sizing`: what an installation of a given size needs, by arithmetic alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from passerelle_ops.cli.options import Json

File = Annotated[
    Path | None,
    typer.Option(
        "--inputs",
        metavar="FICHIER",
        exists=True,
        dir_okay=False,
        help="Vos hypothèses, en TOML ; celles que ce fichier ne dit pas restent les nôtres.",
    ),
]
Assumptions = Annotated[
    bool, typer.Option("--assumptions", help="Montrer d’où partent les calculs : unités, origines, sources.")
]
Markdown = Annotated[bool, typer.Option("--markdown", help="Écrire les tableaux de docs/scaling.md.")]


def sizing(
    inputs: File = None, assumptions: Assumptions = False, markdown: Markdown = False, as_json: Json = False
) -> None:
    """Calculer ce qu’il faut de place et de cœurs pour tant de patients, et ce que porte un serveur.

    Rien n’est mesuré ici : les hypothèses sont dans ops/passerelle_ops/sizing/inputs.toml, expliquées dans
    docs/scaling.md.
    """
    from passerelle_ops.sizing import report
    from passerelle_ops.sizing.inputs import inputs_of, ours
    from passerelle_ops.terminal import print_json

    if assumptions + markdown + as_json > 1:
        raise typer.BadParameter("une seule de --assumptions, --markdown, --json", param_hint="--json")
    given = ours() if inputs is None else inputs_of(inputs)
    if as_json:
        print_json(report.as_document(given))
    elif markdown:
        typer.echo(report.as_markdown(given), nl=False)
    elif assumptions:
        report.show_inputs(given)
    else:
        report.show(given)
