"""`passerelle ingest PATH… --tenant T`: feed files and folders of clinical documents."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from passerelle_ops.cli.options import Json, State, Tenant, settings_of

if TYPE_CHECKING:
    from passerelle.dossier.ingest import Outcome

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
) -> None:
    """Déposer des documents : CDA R2, lots XDM, PDF accompagnés de leurs métadonnées.

    Chaque fichier est déposé, déjà là, remplace un autre, mis de côté (une personne doit trancher) ou refusé, avec
    la règle et le remède. Relancer reprend où l’on en était. Sort avec 1 si un fichier est mis de côté ou refusé.
    """
    import asyncio

    outcomes = asyncio.run(_run(paths, tenant, structure, state))
    totals = Counter(each.result.value for each in outcomes)
    if as_json:
        from passerelle_ops.terminal import print_json

        print_json(
            {
                "tenant": tenant,
                "totals": {result: totals[result] for result in _SHOWN},
                "files": [_row(each) for each in outcomes],
            }
        )
    else:
        _show(outcomes, totals, quiet=quiet)
    raise typer.Exit(1 if totals["set_aside"] or totals["refused"] else 0)


async def _run(paths: list[Path], tenant_id: str, structure: str | None, state: Path | None) -> list[Outcome]:
    from passerelle.dossier import ingest as feeding
    from passerelle.dossier.formats.recognise import gather
    from passerelle_ops.feeding import feeding_context
    from passerelle_ops.installation import Installation
    from passerelle_ops.terminal import progress

    installation = Installation(settings_of(state))
    outcomes: list[Outcome] = []
    try:
        context = await feeding_context(installation, tenant_id, structure)
        total = sum(1 for _ in gather(paths))
        with progress() as bar:
            task = bar.add_task("Dépôt", total=total)
            seen: set[str] = set()
            async for outcome in feeding.ingest(context, paths, as_author_structure=structure is None):
                outcomes.append(outcome)
                seen.add(outcome.file)
                bar.update(task, completed=len(seen))
    finally:
        await installation.close()
    return outcomes


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

    shown = [each for each in outcomes if not quiet or each.result.value in {"set_aside", "refused"}]
    if shown:
        rows = [
            [
                escape(each.file),
                f"[{_SHOWN[each.result.value][1]}]{_SHOWN[each.result.value][0]}[/]",
                each.code or "",
                escape(each.fix or ""),
            ]
            for each in shown
        ]
        output().print(table("Documents", ["Fichier", "Résultat", "Règle", "Que faire"], rows))
    say("INGEST_TOTALS", **{result: totals[result] for result in _SHOWN})
