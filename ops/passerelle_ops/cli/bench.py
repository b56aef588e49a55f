"""`passerelle bench NAME`: each measure is a module of `passerelle_ops.bench` that builds its own data."""

from __future__ import annotations

from typing import Annotated

import typer

from passerelle_ops.cli.options import Json, State, settings_of

Name = Annotated[str, typer.Argument(metavar="NOM", help="Mesure à faire : voir la liste ci-dessus.")]
Dsn = Annotated[
    str | None, typer.Option("--dsn", metavar="DSN", help="Serveur PostgreSQL à mesurer, plutôt que le nôtre.")
]
Quick = Annotated[bool, typer.Option("--quick", help="Les mêmes chiffres sur un dixième des données, en une minute.")]
Examples = Annotated[
    int | None,
    typer.Option("--examples", metavar="N", min=1, help="Exemples à tirer, pour la mesure « leak »."),
]


def bench(
    name: Name,
    state: State = None,
    dsn: Dsn = None,
    quick: Quick = False,
    examples: Examples = None,
    as_json: Json = False,
) -> None:
    """Mesurer une opération contre ce que la machine permet, et dire si l’objectif tient.

    « policy » : ce que coûte une décision. « dossier » : ce que la passerelle ajoute à l’ouverture d’un dossier.
    « concurrency » : asynchrone ou synchrone, de l’entrée à la base. « leak » : une réponse trahit-elle un document
    que son lecteur ne peut pas voir.

    Chaque mesure prépare ses propres données et vérifie que les réponses comparées sont égales. Sort avec 1 quand
    un objectif ne tient pas.
    """
    from importlib import import_module
    from inspect import signature
    from pkgutil import iter_modules

    from passerelle_ops import bench as measures

    found = {each.name for each in iter_modules(measures.__path__) if not each.name.startswith("_")}
    module = import_module(f"{measures.__name__}.{name}") if name in found else None
    run = getattr(module, "run", None)
    if run is None:
        raise typer.BadParameter(f"mesures connues : {', '.join(sorted(found)) or 'aucune'}", param_hint="NOM")
    more = {} if examples is None else {"examples": examples}
    if more and "examples" not in signature(run).parameters:
        raise typer.BadParameter("seule la mesure « leak » en tire", param_hint="--examples")
    raise typer.Exit(int(run(settings_of(state), dsn=dsn, as_json=as_json, quick=quick, **more)))
