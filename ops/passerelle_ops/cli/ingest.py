"""`passerelle ingest PATH… --tenant T`: feed files and folders of clinical documents."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from passerelle_ops.cli.files_in import end, shown, taken_in
from passerelle_ops.cli.options import Json, State, Tenant

if TYPE_CHECKING:
    from typing import TextIO

    from passerelle.dossier.ingest import Outcome
    from passerelle.dossier.ingest import Patience as Waiting
    from passerelle.kernel.context import Context
    from passerelle.kernel.errors import TryLater

Paths = Annotated[
    list[Path],
    typer.Argument(
        metavar="CHEMIN…", exists=True, readable=True, help="Fichiers CDA, lots XDM (dossier ou zip), PDF, dossiers."
    ),
]
Structure = Annotated[
    str | None,
    typer.Option("--structure", metavar="FINESS", help="Structure qui alimente ; par défaut celle de chaque document."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Ne montrer que ce qui n’a pas été déposé, et les totaux.")]
Report = Annotated[
    Path | None,
    typer.Option(
        "--report",
        metavar="FICHIER",
        dir_okay=False,
        help="Y ajouter une ligne JSON par document dès que son sort est acquis.",
    ),
]
Patience = Annotated[
    float,
    typer.Option(
        "--patience",
        min=0,
        metavar="SECONDES",
        help="Combien de temps attendre une base ou un dépôt qui ne répond plus avant d’abandonner.",
    ),
]

_SHOWN = {
    "stored": ("déposé", "green"),
    "replaced": ("remplace", "green"),
    "already_here": ("déjà là", "cyan"),
    "set_aside": ("mis de côté", "yellow"),
    "refused": ("refusé", "red"),
}


def ingest(
    paths: Paths,
    tenant: Tenant,
    structure: Structure = None,
    state: State = None,
    as_json: Json = False,
    quiet: Quiet = False,
    report: Report = None,
    patience: Patience = 60.0,
) -> None:
    """Déposer des documents : CDA R2, lots XDM, PDF accompagnés de leurs métadonnées.

    Chaque fichier est déposé, déjà là, remplace un autre, mis de côté (une personne doit trancher) ou refusé, avec
    la règle et le remède. Relancer reprend où l’on en était : ce qui est acquis le reste, quoi qu’il arrive. Sort
    avec 1 si un fichier est mis de côté ou refusé, ou si aucun n’est trouvé, avec 6 si la
    plateforme n’a plus répondu avant la fin.
    """
    import asyncio

    with _opened(report) or nullcontext() as lines:
        outcomes, away = asyncio.run(_run(paths, tenant, structure, state, lines, patience))
    totals = Counter(each.result.value for each in outcomes)
    if as_json:
        from passerelle_ops.terminal import print_json

        print_json(
            {
                "tenant": tenant,
                "totals": {result: totals[result] for result in _SHOWN},
                "interrupted": away.code if away else None,
                "files": [_row(each) for each in outcomes],
            }
        )
    else:
        _show(outcomes, totals, quiet=quiet)
    end(totals, away)


def _opened(report: Path | None) -> TextIO | None:
    from passerelle.kernel.errors import InvalidInput

    try:
        return report.open("a", encoding="utf-8") if report else None
    except OSError as refused:
        raise InvalidInput("REPORT_UNWRITABLE") from refused


async def _run(
    paths: list[Path],
    tenant_id: str,
    structure: str | None,
    state: Path | None,
    lines: TextIO | None,
    patience: float,
) -> tuple[list[Outcome], TryLater | None]:
    from passerelle.dossier import ingest as feeding

    def take(context: Context, waiting: Waiting) -> AsyncIterator[Outcome]:
        return feeding.ingest(context, paths, as_author_structure=structure is None, patience=waiting)

    def settled(outcome: Outcome) -> None:
        if lines is not None:
            # Before the next file is begun: what was acknowledged outlives this process.
            lines.write(json.dumps(_row(outcome), ensure_ascii=False) + "\n")
            lines.flush()

    return await taken_in(paths, tenant_id, structure, state, patience, "Dépôt", take, settled=settled)


def _row(outcome: Outcome) -> dict[str, str | None]:
    return {
        "file": outcome.file,
        "result": outcome.result.value,
        "code": outcome.code,
        "fix": outcome.fix,
        "unique_id": outcome.unique_id,
        "document_id": str(outcome.document_id) if outcome.document_id else None,
    }


def _show(outcomes: list[Outcome], totals: Counter[str], *, quiet: bool) -> None:
    from rich.markup import escape

    from passerelle_ops.terminal import output, say, table

    rows = [
        [file, result, each.code or "", escape(each.fix or "")]
        for each, file, result in shown(outcomes, _SHOWN, quiet=quiet)
    ]
    if rows:
        output().print(table("Documents", ["Fichier", "Résultat", "Règle", "Que faire"], rows))
    say("INGEST_TOTALS", **{result: totals[result] for result in _SHOWN})
