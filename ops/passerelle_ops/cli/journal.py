"""`passerelle journal`: lines of the journal exported with what proves them; searched; given as FHIR; pruned."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from passerelle_ops.cli.french import FrenchCommand, FrenchGroup
from passerelle_ops.cli.journal_events import audit_events
from passerelle_ops.cli.journal_retention import health, prune
from passerelle_ops.cli.journal_search import Reason, Since, Until, search, since_of, until_of, unusual
from passerelle_ops.cli.operating import as_operator, operator
from passerelle_ops.cli.options import Json, State, Tenant
from passerelle_ops.cli.written_files import Force, whole_file

if TYPE_CHECKING:
    from passerelle.audit.transactions import Act

app = typer.Typer(
    name="journal",
    help="Le journal des accès : y chercher, l’exporter (passerelle verify journal le vérifie), l’élaguer.",
    cls=FrenchGroup,
    no_args_is_help=True,
)

Out = Annotated[
    Path,
    typer.Argument(
        metavar="FICHIER",
        dir_okay=False,
        help="Archive .zip (lignes, preuves et programme qui les vérifie) ou fichier .json.",
    ),
]
Patient = Annotated[
    UUID | None,
    typer.Option("--patient", metavar="ID", help="Les seules lignes de ce patient (identifiant interne)."),
]
Earlier = Annotated[
    Path | None,
    typer.Option(
        "--earlier",
        exists=True,
        dir_okay=False,
        metavar="EXPORT",
        help="Export plus ancien : joindre la preuve que le journal n’a fait que s’allonger depuis.",
    ),
]


app.command(cls=FrenchCommand)(search)
app.command(cls=FrenchCommand)(unusual)
app.command("audit-events", cls=FrenchCommand)(audit_events)
app.command(cls=FrenchCommand)(health)
app.command(cls=FrenchCommand)(prune)


@app.command(cls=FrenchCommand)
def export(
    out: Out,
    tenant: Tenant,
    reason: Reason,
    state: State = None,
    patient: Patient = None,
    since: Since = None,
    until: Until = None,
    earlier: Earlier = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Exporter des lignes du journal, chacune avec la preuve qu’elle a été scellée telle quelle.

    Seul le travailleur scelle : ce qui attend encore son sceau est joint sans preuve, et compté. L’export est lui-même
    une ligne du journal, avec son motif. Il contient aussi les lignes sur ce qui est encore caché au patient : ce qui
    lui revient, il l’exporte lui-même.
    """
    import asyncio

    from passerelle.audit.export import written, zipped
    from passerelle_ops.terminal import print_json, say

    if patient is not None and (since or until):
        raise typer.BadParameter("choisissez un patient, ou une période", param_hint="--patient")
    if not reason.strip():
        raise typer.BadParameter("dites pourquoi", param_hint="--reason")
    begins, ends = since_of(since), until_of(until)
    size = None if earlier is None else _size_of(earlier)

    async def chosen(act: Act) -> list[tuple[UUID, int]]:
        from passerelle.audit.export import lines_between, lines_of_patient

        if patient is not None:
            return await lines_of_patient(act.connection, patient)
        return await lines_between(act.connection, begins, ends)

    with whole_file(out, force=force) as draft:
        made = asyncio.run(_export(tenant, state, chosen, patient, reason.strip(), size))
        draft.write_bytes(zipped(made) if out.suffix.lower() == ".zip" else written(made))
    told = {
        "file": str(out),
        "lines": len(made["lines"]),
        "size": made["heads"][-1]["tree_size"] if made["heads"] else 0,
    }
    if as_json:
        print_json({**told, "unsealed": len(made["unsealed"]), "key_id": made["key_id"]})
        return
    say("JOURNAL_EXPORTED", **told)
    if made["unsealed"]:
        say("JOURNAL_EXPORT_WAITS", lines=len(made["unsealed"]))
    say("JOURNAL_EXPORT_KEY", key=made["key_id"])


async def _export(
    tenant_id: str, state: Path | None, chosen: Any, patient: UUID | None, reason: str, earlier: int | None
) -> dict[str, Any]:
    from passerelle.audit.export import AT_MOST, export_lines
    from passerelle.audit.journal import NOBODY
    from passerelle.dossier import access
    from passerelle.kernel.errors import LimitExceeded
    from passerelle_policies.vocabulary import Action, Kind

    async def exported(act: Act) -> dict[str, Any]:
        lines = await chosen(act)
        if len(lines) > AT_MOST:
            raise LimitExceeded("JOURNAL_EXPORT_TOO_LARGE", limit=AT_MOST)
        made = await export_lines(act.connection, act.context.tenant, lines, earlier=earlier)
        await access.require(act, patient or NOBODY, Kind.JOURNAL, Action.EXPORT, reason=reason)
        return made

    return await as_operator(tenant_id, state, exported, by=operator("journal export"))


def _size_of(path: Path) -> int:
    from passerelle.audit.verifier import Unreadable, open_export

    try:
        return int(open_export(path)["heads"][-1]["tree_size"])
    except (Unreadable, KeyError, TypeError, IndexError) as unreadable:
        raise typer.BadParameter(
            "ce fichier n’est pas un export scellé du journal", param_hint="--earlier"
        ) from unreadable
