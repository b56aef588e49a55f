"""`passerelle journal audit-events`: lines of the journal as FHIR, for a repository of traces."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from passerelle_ops.cli.journal_search import Reason, Since, Until, since_of, until_of
from passerelle_ops.cli.operating import as_operator, operator
from passerelle_ops.cli.options import Json, State, Tenant
from passerelle_ops.cli.written_files import Force, whole_file

if TYPE_CHECKING:
    from passerelle.audit.oversight import Search
    from passerelle.audit.transactions import Act

Out = Annotated[
    Path,
    typer.Option("--output", "-o", metavar="FICHIER", dir_okay=False, help="Fichier NDJSON : une trace par ligne."),
]


def audit_events(
    out: Out,
    tenant: Tenant,
    reason: Reason,
    state: State = None,
    since: Since = None,
    until: Until = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Écrire les lignes du journal en AuditEvent FHIR R4 (profil français « Traçabilité d’événements »).

    De la plus ancienne à la plus récente. Ni INS, ni titre, ni nom de citoyen. L’export est lui-même une ligne du
    journal, avec son motif ; le fichier n’apparaît qu’entier.
    """
    import asyncio

    from passerelle.audit.oversight import Search
    from passerelle_ops.terminal import print_json, say

    if not reason.strip():
        raise typer.BadParameter("dites pourquoi", param_hint="--reason")
    wanted = Search(since=since_of(since), until=until_of(until))
    with whole_file(out, force=force) as draft:
        lines = asyncio.run(_written(tenant, state, wanted, draft, reason.strip()))
    if as_json:
        print_json({"file": str(out), "events": lines})
    else:
        say("AUDIT_EVENTS_WRITTEN", file=str(out), lines=lines)


async def _written(tenant_id: str, state: Path | None, wanted: Search, out: Path, reason: str) -> int:
    from passerelle.audit.journal import NOBODY
    from passerelle.audit.oversight import count
    from passerelle.dossier import access
    from passerelle.fhir.audit_event import ndjson
    from passerelle_ops.terminal import progress
    from passerelle_policies.vocabulary import Action, Kind

    async def exported(act: Act) -> int:
        await access.require(act, NOBODY, Kind.JOURNAL, Action.EXPORT, reason=reason)
        total, written = await count(act.connection, wanted), 0
        with out.open("wb") as file, progress() as bar:
            task = bar.add_task(tenant_id, total=total)
            async for lines, octets in ndjson(act.connection, tenant_id, wanted):
                file.write(octets)
                written += lines
                bar.update(task, completed=written)
        return written

    return await as_operator(tenant_id, state, exported, by=operator("journal audit-events"))
