"""`passerelle pharmacy ingest PATH… --tenant T --pharmacy FINESS`: record dispensations from their documents."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from passerelle_ops.cli.files_in import end, shown, taken_in
from passerelle_ops.cli.french import FrenchCommand, FrenchGroup
from passerelle_ops.cli.options import Json, State, Tenant

if TYPE_CHECKING:
    from passerelle.dossier.ingest import Patience as Waiting
    from passerelle.kernel.context import Context
    from passerelle.kernel.errors import TryLater
    from passerelle.pharmacy.documents import Outcome
    from passerelle.pharmacy.prescriptions import ReadPrescription

app = typer.Typer(
    name="pharmacy",
    help="Dossiers pharmaceutiques : enregistrer des dispensations.",
    cls=FrenchGroup,
    no_args_is_help=True,
)

Paths = Annotated[
    list[Path],
    typer.Argument(metavar="CHEMIN…", exists=True, readable=True, help="Fichiers CDA eDISP-MED, lots XDM, dossiers."),
]
Pharmacy = Annotated[str, typer.Option("--pharmacy", metavar="FINESS", help="La pharmacie qui a délivré.")]
Files = Annotated[bool, typer.Option("--file", help="Déposer aussi chaque document dans le dossier partagé.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Ne montrer que ce qui n’a pas été enregistré.")]
Patience = Annotated[
    float,
    typer.Option("--patience", min=0, metavar="SECONDES", help="Combien attendre une base qui ne répond plus."),
]

_SHOWN = {
    "recorded": ("enregistré", "green"),
    "corrected": ("corrigé", "green"),
    "already_here": ("déjà là", "cyan"),
    "superseded": ("version dépassée", "cyan"),
    "prescription": ("ordonnance lue", "cyan"),
    "set_aside": ("mis de côté", "yellow"),
    "refused": ("refusé", "red"),
}


_FOUND_BY = {"cip13": "CIP13", "cip7": "CIP7", "cis": "CIS", "unknown": "inconnu"}


@app.callback()
def group() -> None:
    """Dossiers pharmaceutiques : enregistrer des dispensations."""


@app.command(cls=FrenchCommand)
def ingest(
    paths: Paths,
    tenant: Tenant,
    pharmacy: Pharmacy,
    files: Files = False,
    state: State = None,
    as_json: Json = False,
    quiet: Quiet = False,
    patience: Patience = 60.0,
) -> None:
    """Enregistrer ce que des documents disent délivré ; dire quels produits la table des médicaments connaît.

    Une ordonnance (eP-MED-DM) est lue et montrée ; rien n’en est enregistré que son dépôt, avec --file.

    Relancer ne double rien. Sort avec 1 si un document est mis de côté ou refusé, ou si aucun n’est trouvé, avec 6 si
    la plateforme n’a plus répondu avant la fin.
    """
    import asyncio

    outcomes, away = asyncio.run(_run(paths, tenant, pharmacy, state, patience, files=files))
    totals = Counter(each.result.value for each in outcomes)
    lines, unknown = sum(each.lines for each in outcomes), sum(each.unknown for each in outcomes)
    if as_json:
        from passerelle_ops.terminal import print_json

        print_json(
            {
                "tenant": tenant,
                "pharmacy": pharmacy,
                "totals": {result: totals[result] for result in _SHOWN},
                "products": {"named": lines, "unknown": unknown},
                "interrupted": away.code if away else None,
                "files": [_row(each) for each in outcomes],
            }
        )
    else:
        _show(outcomes, totals, quiet=quiet, lines=lines, unknown=unknown)
    end(totals, away)


async def _run(
    paths: list[Path], tenant_id: str, pharmacy: str, state: Path | None, patience: float, *, files: bool
) -> tuple[list[Outcome], TryLater | None]:
    from passerelle.pharmacy import documents

    def take(context: Context, waiting: Waiting) -> AsyncIterator[Outcome]:
        return documents.ingest(context, paths, files=files, patience=waiting)

    return await taken_in(paths, tenant_id, pharmacy, state, patience, "Dispensations", take)


def _row(outcome: Outcome) -> dict[str, Any]:
    return {
        "file": outcome.file,
        "result": outcome.result.value,
        "products": outcome.lines,
        "unknown": outcome.unknown,
        "code": outcome.code,
        "fix": outcome.fix,
        "unique_id": outcome.unique_id,
        "prescription": _prescription(outcome.prescription) if outcome.prescription else None,
    }


def _prescription(read: ReadPrescription) -> dict[str, Any]:
    on = read.prescription.prescribed_on
    return {
        "number": read.prescription.number,
        "prescribed_on": on.isoformat() if on else None,
        "products": [
            {
                "label": each.label,
                "known": each.known.value,
                "cis": each.medicine.cis if each.medicine else None,
                "code": each.code,
                "class": each.product_class.value,
            }
            for each in read.products
        ],
    }


def _day(on: date | None) -> str:
    return f"{on:%d/%m/%Y}" if on else ""


def _show(outcomes: list[Outcome], totals: Counter[str], *, quiet: bool, lines: int, unknown: int) -> None:
    from rich.markup import escape

    from passerelle_ops.terminal import output, say, table

    listed = shown(outcomes, _SHOWN, quiet=quiet)
    if listed:
        rows = [
            [file, result, str(each.lines or ""), str(each.unknown or ""), each.code or "", escape(each.fix or "")]
            for each, file, result in listed
        ]
        heads = ["Fichier", "Résultat", "Produits", "Inconnus", "Règle", "Que faire"]
        output().print(table("Dispensations", heads, rows))
    prescribed = [
        [
            escape(each.prescription.prescription.number or each.unique_id or ""),
            _day(each.prescription.prescription.prescribed_on),
            escape(product.label),
            _FOUND_BY[product.known.value] if product.code is None else escape(product.code),
        ]
        for each, _, _ in listed
        if each.prescription
        for product in each.prescription.products
    ]
    if prescribed:
        output().print(
            table("Ordonnances", ["Ordonnance", "Du", "Produit", "Reconnu par, ou code inconnu"], prescribed)
        )
    say(
        "DISPENSATION_TOTALS",
        **{result: totals[result] for result in _SHOWN},
        lines=lines,
        unknown=unknown,
    )
