"""`passerelle journal audit-events`: lines of the journal as FHIR, for a repository of traces."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from passerelle_ops.cli.journal_search import Reason, Since, Until, since_of, until_of
from passerelle_ops.cli.options import Json, State, Tenant, settings_of
from passerelle_ops.cli.written_files import Force, whole_file

if TYPE_CHECKING:
    from passerelle.audit.oversight import Search

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
    import getpass
    from uuid import uuid4

    from passerelle.audit.journal import NOBODY
    from passerelle.audit.oversight import count
    from passerelle.audit.transactions import transaction
    from passerelle.dossier import access
    from passerelle.fhir.audit_event import ndjson
    from passerelle.kernel.actors import Actor
    from passerelle.kernel.context import Context
    from passerelle_ops.installation import Installation
    from passerelle_ops.terminal import progress
    from passerelle_policies.vocabulary import Action, ActorKind, Kind, Purpose

    installation = Installation(settings_of(state))
    written = 0
    try:
        tenant = await (await installation.registry()).tenant(tenant_id)
        operator = Actor(
            kind=ActorKind.SYSTEM,
            id=f"operator-{getpass.getuser()}",
            name="Exploitant (passerelle journal audit-events)",
        )
        context = Context(
            tenant=tenant,
            actor=operator,
            clock=installation.clock,
            request_id=uuid4().hex,
            purpose=Purpose.ADMINISTRATION,
        )
        async with transaction(context) as act:
            await access.require(act, NOBODY, Kind.JOURNAL, Action.EXPORT, reason=reason)
            total = await count(act.connection, wanted)
            with out.open("wb") as file, progress() as bar:
                task = bar.add_task(tenant.id, total=total)
                async for lines, octets in ndjson(act.connection, tenant.id, wanted):
                    file.write(octets)
                    written += lines
                    bar.update(task, completed=written)
        return written
    finally:
        await installation.close()
