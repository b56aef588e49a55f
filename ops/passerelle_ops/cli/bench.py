"""`passerelle bench NAME`: each measure is a module of `passerelle_ops.bench` that builds its own data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from passerelle_ops.cli.options import Json, State, settings_of

if TYPE_CHECKING:
    from passerelle_ops.bench._peer import Peer

Name = Annotated[str, typer.Argument(metavar="NOM", help="Mesure à faire : voir la liste ci-dessus.")]
Dsn = Annotated[
    str | None, typer.Option("--dsn", metavar="DSN", help="Serveur PostgreSQL à mesurer, plutôt que le nôtre.")
]
Quick = Annotated[bool, typer.Option("--quick", help="Les mêmes chiffres sur un dixième des données, en une minute.")]
Examples = Annotated[
    int | None,
    typer.Option("--examples", metavar="N", min=1, help="« leak », « compile » : exemples à tirer."),
]
PeerUrl = Annotated[
    str | None, typer.Option("--peer", metavar="URL", help="« gateway » : un autre serveur GraphQL, à mesurer aussi.")
]
PeerQuery = Annotated[
    Path | None,
    typer.Option("--peer-query", metavar="FICHIER", exists=True, dir_okay=False, help="Sa requête pour le dossier."),
]
PeerJournal = Annotated[
    Path | None,
    typer.Option(
        "--peer-journal-query", metavar="FICHIER", exists=True, dir_okay=False, help="Sa requête pour le journal."
    ),
]
PeerHeaders = Annotated[
    list[str] | None,
    typer.Option(
        "--peer-header",
        metavar="NOM:VALEUR",
        help="En-tête pour lui ; {patient_id}, {rpps} et {token} y sont remplacés.",
    ),
]
Hold = Annotated[bool, typer.Option("--hold", help="« gateway » : garder le terrain en marche, sans mesurer.")]
Pressure = Annotated[
    bool, typer.Option("--pressure", help="« gateway » : 128 connexions pendant une minute ; que reste-t-il après ?")
]
Endurance = Annotated[
    int | None,
    typer.Option("--endurance", metavar="N", min=100, help="« gateway » : N requêtes ; la mémoire grandit-elle ?"),
]
Faults = Annotated[
    bool,
    typer.Option("--faults", help="« federation » : travailleurs tués, courtier vidé puis tué, une base absente."),
]


def bench(
    name: Name,
    state: State = None,
    dsn: Dsn = None,
    quick: Quick = False,
    examples: Examples = None,
    peer: PeerUrl = None,
    peer_query: PeerQuery = None,
    peer_journal_query: PeerJournal = None,
    peer_header: PeerHeaders = None,
    hold: Hold = False,
    pressure: Pressure = False,
    endurance: Endurance = None,
    faults: Faults = False,
    as_json: Json = False,
) -> None:
    """Mesurer une opération contre ce que la machine permet, et dire si l’objectif tient.

    « policy » : ce que coûte une décision. « dossier » : ce que la passerelle ajoute à l’ouverture d’un dossier.
    « gateway » : la passerelle, le SQL seul, l’exécuteur Strawberry et d’autres serveurs, sur deux millions de
    documents. « concurrency » : asynchrone ou synchrone, de l’entrée à la base. « leak » : une réponse trahit-elle un
    document que son lecteur ne peut pas voir. « compile » : le compilateur répond-il toujours comme Strawberry.
    « pharmacy » : ouvrir un dossier pharmaceutique de deux mille lignes, parmi dix mille dispensations ou un million.
    « board » : ouvrir une session de RCP de quarante cas, écrire et contrôler quarante fiches.
    « federation » : de trois réseaux à l’index du réseau d’attache, à côté de Celery seul ; et malgré des pannes.

    Chaque mesure prépare ses propres données et vérifie que les réponses comparées sont égales ; « gateway » garde
    les siennes dans ~/.cache/passerelle/bench. Sort avec 1 quand un objectif ne tient pas.
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
    if dsn is not None and (hold or peer is not None):
        raise typer.BadParameter("le terrain d’un autre serveur ne se montre pas", param_hint="--dsn")
    said = {
        "examples": examples,
        "peer": _peer(peer, peer_query, peer_journal_query, peer_header or ()),
        "hold": hold or None,
        "pressure": pressure or None,
        "endurance": endurance,
        "faults": faults or None,
    }
    more = {option: value for option, value in said.items() if value is not None}
    for option in more.keys() - signature(run).parameters.keys():
        raise typer.BadParameter(f"la mesure « {name} » ne le connaît pas", param_hint=f"--{option}")
    raise typer.Exit(int(run(settings_of(state), dsn=dsn, as_json=as_json, quick=quick, **more)))


def _peer(url: str | None, query: Path | None, journal_query: Path | None, headers: Sequence[str]) -> Peer | None:
    if url is None:
        return None
    from passerelle_ops.bench._peer import Peer

    if query is None:
        raise typer.BadParameter("que lui demander ?", param_hint="--peer-query")
    if not all(":" in each for each in headers):
        raise typer.BadParameter("« Nom: valeur »", param_hint="--peer-header")
    given = {"OpenDossier": query, "Journal": journal_query}
    return Peer(
        url=url,
        queries={name: file.read_text("utf-8") for name, file in given.items() if file is not None},
        headers={name.strip(): value.strip() for name, _, value in (each.partition(":") for each in headers)},
    )
