"""`passerelle verify journal|contents|erasures`: is what is kept still what was kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from passerelle_ops.cli.french import FrenchCommand, FrenchGroup
from passerelle_ops.cli.options import Json, State, Tenant, settings_of

if TYPE_CHECKING:
    from passerelle.audit.verification import Finding, JournalReport

_SHOWN = 50

app = typer.Typer(
    name="verify",
    help="Vérifier ce que la plateforme garde. Sort avec 1 si quelque chose ne va pas.",
    cls=FrenchGroup,
    no_args_is_help=True,
)


Against = Annotated[
    list[Path] | None,
    typer.Option(
        "--against",
        exists=True,
        dir_okay=False,
        metavar="EXPORT",
        help="Export remis auparavant, dont le journal doit être resté le début de celui-ci. Répétable.",
    ),
]


@app.command(cls=FrenchCommand)
def journal(tenant: Tenant, state: State = None, against: Against = None, as_json: Json = False) -> None:
    """Le journal : tel qu’il a été scellé, hors d’atteinte du rôle qui sert, complet ; chaque acte a sa ligne.

    Chaque ligne modifiée, retirée, déplacée ou ajoutée à côté est nommée. Ce qu’aucun sceau gardé ici ne peut dire,
    que la fin du journal a disparu avec ses sceaux, se voit avec --against.
    """
    import asyncio

    known = [head for path in against or [] for head in _heads(path, tenant)]
    report, findings = asyncio.run(_journal(tenant, state, known))
    if report.pruned and not as_json:
        from passerelle_ops.terminal import say

        say("VERIFY_JOURNAL_PRUNED", pruned=report.pruned)
    _tell(
        {"tenant": tenant, "lines": report.lines, "sealed": report.sealed, "pruned": report.pruned},
        findings,
        "VERIFY_JOURNAL",
        as_json=as_json,
        lines=report.lines,
        sealed=report.sealed,
    )


@app.command(cls=FrenchCommand)
def contents(tenant: Tenant, state: State = None, as_json: Json = False) -> None:
    """Les documents : chacun s’ouvre sous sa clé, avec la taille et l’empreinte de son entrée.

    Liste aussi les objets qu’aucun document ne désigne : ce que laisse un dépôt coupé net. Ils sont sans conséquence.
    """
    import asyncio

    count, strays, findings = asyncio.run(_contents(tenant, state))
    _tell(
        {"tenant": tenant, "contents": count, "orphans": strays},
        findings,
        "VERIFY_CONTENTS",
        as_json=as_json,
        contents=count,
        orphans=len(strays),
    )


@app.command(cls=FrenchCommand)
def erasures(tenant: Tenant, state: State = None, as_json: Json = False) -> None:
    """Les effacements : chaque certificat est celui que le réseau a signé, et dit vrai."""
    import asyncio

    count, findings = asyncio.run(_erasures(tenant, state))
    _tell({"tenant": tenant, "certificates": count}, findings, "VERIFY_ERASURES", as_json=as_json, certificates=count)


async def _journal(
    tenant_id: str, state: Path | None, known: list[dict[str, Any]]
) -> tuple[JournalReport, list[Finding]]:
    from passerelle.audit.verification import verify_journal
    from passerelle.dossier.verification import acts_without_line
    from passerelle_ops.installation import Installation
    from passerelle_ops.terminal import progress

    installation = Installation(settings_of(state))
    try:
        tenant = await (await installation.registry()).tenant(tenant_id)
        with progress() as bar:
            task = bar.add_task("Lignes", total=None)
            report = await verify_journal(
                tenant,
                installation.clock,
                known=known,
                on_progress=lambda done, total: bar.update(task, completed=done, total=total),
            )
            return report, [*report.findings, *await acts_without_line(tenant)]
    finally:
        await installation.close()


def _heads(path: Path, tenant: str) -> list[dict[str, Any]]:
    from passerelle.audit.verifier import Unreadable, open_export

    try:
        export = open_export(path)
        heads = [{**head, "tree_size": int(head["tree_size"])} for head in export["heads"]]
        network = export["tenant"]
    except (Unreadable, KeyError, TypeError, ValueError) as unreadable:
        raise typer.BadParameter("ce fichier n’est pas un export de journal", param_hint="--against") from unreadable
    if network != tenant:
        raise typer.BadParameter("cet export est celui d’un autre réseau", param_hint="--against")
    if not heads:
        raise typer.BadParameter("cet export, fait avant tout scellement, ne prouve rien", param_hint="--against")
    return heads


async def _erasures(tenant_id: str, state: Path | None) -> tuple[int, list[Finding]]:
    from passerelle.dossier.erasure_verification import verify_erasures
    from passerelle_ops.installation import Installation

    installation = Installation(settings_of(state))
    try:
        return await verify_erasures(await (await installation.registry()).tenant(tenant_id))
    finally:
        await installation.close()


async def _contents(tenant_id: str, state: Path | None) -> tuple[int, list[str], list[Finding]]:
    from passerelle.dossier.verification import (
        authors_out_of_step,
        claims_without_document,
        count_contents,
        orphans,
        verify_contents,
    )
    from passerelle_ops.installation import Installation
    from passerelle_ops.terminal import progress

    installation = Installation(settings_of(state))
    done = 0
    try:
        tenant = await (await installation.registry()).tenant(tenant_id)
        findings = [*await claims_without_document(tenant), *await authors_out_of_step(tenant)]
        with progress() as bar:
            task = bar.add_task("Contenus", total=await count_contents(tenant))
            async for finding in verify_contents(tenant):
                done += 1
                bar.update(task, completed=done)
                if finding is not None:
                    findings.append(finding)
        strays = await orphans(tenant)
    finally:
        await installation.close()
    return done, strays, findings


def _tell(
    document: dict[str, str | int | list[str]], findings: list[Finding], code: str, *, as_json: bool, **fields: int
) -> None:
    from passerelle.kernel import messages
    from passerelle_ops.terminal import output, print_json, say, table

    if as_json:
        print_json({**document, "findings": [{"code": each.code, "about": each.about} for each in findings]})
    else:
        orphans = document.get("orphans")
        if isinstance(orphans, list) and orphans:
            output().print(table("Objets sans document", ["Nom"], [[name] for name in orphans[:_SHOWN]], whole=["Nom"]))
        if findings:
            rows = [[each.code, each.about, messages.sentence(each.code, {"content": each.about})] for each in findings]
            output().print(table("Anomalies", ["Code", "Objet", "Ce que c’est"], rows, whole=["Objet"]))
        say(code, **fields)
        say("VERIFY_FAILED" if findings else "VERIFY_HOLDS", findings=len(findings))
    raise typer.Exit(1 if findings else 0)
