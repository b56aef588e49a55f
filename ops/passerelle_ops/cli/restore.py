"""`passerelle restore`: from a backup and the ledger since; or the rehearsal of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from passerelle_ops.cli.backup import OneTenant, TheDirectory, one_of
from passerelle_ops.cli.options import Json, State, settings_of

if TYPE_CHECKING:
    from passerelle_ops.backup.loss import Loss
    from passerelle_ops.backup.rehearsing import Rehearsed
    from passerelle_ops.backup.replaying import Replayed
    from passerelle_ops.backup.restoring import Restored
    from passerelle_ops.backup.sources import Source
    from passerelle_ops.installation import Installation

_SHOWN = 200

From = Annotated[
    str | None, typer.Option("--from", metavar="LIEU", help="Dossier, ou s3://seau/préfixe, des sauvegardes.")
]
Key = Annotated[
    Path | None,
    typer.Option(
        "--key", envvar="PASSERELLE_BACKUP_KEY", metavar="FICHIER", dir_okay=False, help="Clé privée de sauvegarde."
    ),
]
Name = Annotated[
    str | None, typer.Option("--archive", metavar="NOM", help="Une sauvegarde précise. Sans cela, la dernière.")
]
Rehearse = Annotated[
    bool, typer.Option("--rehearse", help="Restaurer à côté, comparer, puis retirer. Sort avec 1 s’ils diffèrent.")
]
LedgerOnly = Annotated[
    bool,
    typer.Option(
        "--ledger-only", help="La base a été ramenée autrement (à un instant donné) : ne remettre que le registre."
    ),
]


def restore(
    source: From = None,
    key: Key = None,
    tenant: OneTenant = None,
    directory: TheDirectory = False,
    archive: Name = None,
    rehearse: Rehearse = False,
    ledger_only: LedgerOnly = False,
    state: State = None,
    as_json: Json = False,
) -> None:
    """Restaurer un réseau, ou l’annuaire, dans une base vide ; servi une fois que tout ce qui restreint est remis.

    Ce qui fut masqué, bloqué, retiré, fermé ou effacé depuis la sauvegarde l’est de nouveau, d’après le registre.
    """
    import asyncio

    from passerelle_ops.backup.rehearsing import Rehearsed
    from passerelle_ops.terminal import print_json, say

    one_of(tenant, directory=directory)
    if ledger_only:
        name, done = asyncio.run(_replay(tenant, state))
    elif source is None or key is None:
        raise typer.BadParameter("dites d’où restaurer, et avec quelle clé", param_hint="--from, --key")
    else:
        name, done = asyncio.run(_restore(source, key, tenant, archive, rehearse=rehearse, state=state))
    if as_json:
        print_json(_document(name, done))
    elif isinstance(done, Rehearsed):
        _show(done)
    else:
        if ledger_only:
            say("RESTORE_ADMITTED", name=name)
        else:
            say("RESTORE_DONE", name=name, made_at=_day(str(done.opening["made_at"])), contents=done.contents)
        _tell(done.replayed, done.loss)
    if isinstance(done, Rehearsed) and not done.holds:
        raise typer.Exit(1)


def _show(done: Rehearsed) -> None:
    from passerelle.kernel import messages
    from passerelle_ops.terminal import output, say, table

    rows = [
        [each.what, each.backed_up, each.restored, "=" if each.is_equal else "≠"]
        for each in done.compared
        if not (each.is_equal and each.is_empty)
    ]
    output().print(table("Comparaison", ["Table", "Sauvegarde", "Restauré", ""], rows))
    if done.findings:
        found = [
            [each.code, each.about, messages.sentence(each.code, {"content": each.about})]
            for each in done.findings[:_SHOWN]
        ]
        output().print(table("Anomalies", ["Code", "Objet", "Ce que c’est"], found, whole=["Objet"]))
    _tell(done.replayed, done.loss)
    code = "REHEARSAL_HOLDS" if done.holds else "REHEARSAL_FAILED"
    say(code, made_at=_day(done.made_at), contents=done.contents)


def _tell(replayed: Replayed, loss: Loss | None) -> None:
    from passerelle_ops.terminal import output, say, table

    say("RESTORE_REPLAYED", changed=sum(replayed.changed.values()), erased=replayed.erased)
    if replayed.unknown:
        shown = ", ".join(replayed.unknown[:_SHOWN])
        say("RESTORE_UNKNOWN", count=len(replayed.unknown), patients=shown)
    if loss is None:
        return
    if not loss.documents and not loss.journal_lines:
        say("RESTORE_NOTHING_LOST")
        return
    rows = [
        [
            str(each.document_id),
            each.structure_id or "",
            _day(each.filed_at),
            "contenu" if each.code == "DOCUMENT_CONTENT_LOST" else "entrée",
            "oui" if each.narrowed else "",
        ]
        for each in loss.documents[:_SHOWN]
    ]
    columns = ["Document", "Structure", "Déposé", "Ce qui manque", "Masqué ou caché"]
    output().print(table("Documents perdus", columns, rows, whole=["Document", "Structure"]))
    say("RESTORE_LOST", documents=len(loss.documents), lines=loss.journal_lines)


def _document(name: str, done: Rehearsed | Restored) -> dict[str, Any]:
    from dataclasses import asdict

    from passerelle_ops.backup.rehearsing import Rehearsed

    said: dict[str, Any] = {
        "name": name,
        "contents": done.contents,
        "replayed": asdict(done.replayed),
        "loss": None if done.loss is None else asdict(done.loss),
    }
    if isinstance(done, Rehearsed):
        said |= {
            "made_at": done.made_at,
            "holds": done.holds,
            "compared": [{**asdict(each), "equal": each.is_equal} for each in done.compared],
            "findings": [{"code": each.code, "about": each.about} for each in done.findings],
        }
    else:
        said["made_at"] = done.opening["made_at"]
    return said


def _day(instant: str) -> str:
    from datetime import datetime

    from passerelle.kernel.clock import PARIS

    return f"{datetime.fromisoformat(instant).astimezone(PARIS):%d/%m/%Y %H:%M}"


async def _restore(
    place: str, key: Path, tenant: str | None, name: str | None, *, rehearse: bool, state: Path | None
) -> tuple[str, Rehearsed | Restored]:
    from passerelle_ops.backup.envelope import Opener
    from passerelle_ops.backup.making import newest
    from passerelle_ops.backup.places import Place
    from passerelle_ops.backup.progress import shown
    from passerelle_ops.backup.rehearsing import rehearse as rehearsed
    from passerelle_ops.backup.restoring import Archive
    from passerelle_ops.backup.restoring import restore as restored
    from passerelle_ops.backup.sources import opened

    opener, where = Opener.load(key), Place(place)
    async with opened(settings_of(state), tenant) as (installation, source):
        archive = Archive(where, name or await newest(where, source.name), opener)
        with shown() as on_progress:
            if rehearse:
                return source.name, await rehearsed(archive, source, installation.clock, on_progress)
            done = await restored(archive, source, installation.clock, on_progress)
        await _tell_others(installation, source)
        return source.name, done


async def _replay(tenant: str | None, state: Path | None) -> tuple[str, Rehearsed | Restored]:
    from passerelle_ops.backup.progress import shown
    from passerelle_ops.backup.restoring import replay_alone
    from passerelle_ops.backup.sources import opened

    async with opened(settings_of(state), tenant) as (installation, source):
        with shown() as on_progress:
            done = await replay_alone(source, installation.clock, on_progress)
        await _tell_others(installation, source)
        return source.name, done


async def _tell_others(installation: Installation, source: Source) -> None:
    from passerelle_ops.backup.renumbering import locate_again, tell_others
    from passerelle_ops.terminal import remark

    if source.tenant is None:
        if away := await locate_again(installation):
            remark("RESTORE_NETWORKS_AWAY", networks=", ".join(away))
    elif away := await tell_others(installation, source.name):
        remark("RESTORE_OTHERS_AWAY", networks=", ".join(away), name=source.name)
