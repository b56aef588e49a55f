"""`passerelle policy replay PACK --since DATE`: which decisions of these days would have come out differently."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from passerelle_ops.cli.options import Json, State, settings_of

if TYPE_CHECKING:
    from datetime import datetime

    from rich.progress import Progress, TaskID

    from passerelle.dossier.replay import Replay
    from passerelle_policies.packs import Pack

Tried = Annotated[
    str,
    typer.Argument(metavar="PAQUET", help="Nom d’un paquet, ou dossier d’un paquet qui n’est pas encore en vigueur."),
]
Since = Annotated[str, typer.Option("--since", metavar="DATE", help="Depuis ce jour (AAAA-MM-JJ).")]
Until = Annotated[
    str | None, typer.Option("--until", metavar="DATE", help="Jusqu’à ce jour compris ; aujourd’hui sinon.")
]
Networks = Annotated[
    list[str] | None, typer.Option("--tenant", "-t", metavar="RÉSEAU", help="Réseau rejoué ; tous sinon. Répétable.")
]


def replay(
    pack: Tried, since: Since, until: Until = None, tenant: Networks = None, state: State = None, as_json: Json = False
) -> None:
    """Rejouer sous un paquet les décisions du journal : lesquelles seraient autres, avant qu’il entre en vigueur.

    Chaque décision est aussi rejouée sous le paquet qui l’a prise : celle qu’il n’explique pas est comptée à part.
    Ce qu’une liste a montré n’est pas au journal : d’une consultation de dossier, seule la décision sur le dossier
    est rejouée. Les paramètres propres d’un réseau sont ceux d’aujourd’hui. Sort avec 0, quoi qu’il soit trouvé.
    """
    import asyncio

    from passerelle_ops.hindsight_report import replay_as_json, show_replay
    from passerelle_ops.terminal import print_json

    tried = _pack(pack)
    first, after = _midnight(since, "--since"), _midnight(until, "--until", days=1) if until else None
    if after is not None and after <= first:
        raise typer.BadParameter("il vient avant --since", param_hint="--until")
    found = asyncio.run(_replayed(tried, first, after, tenant, state))
    if as_json:
        print_json(replay_as_json(tried, found))
    else:
        show_replay(tried, found)


async def _replayed(
    pack: Pack, since: datetime, until: datetime | None, tenants: list[str] | None, state: Path | None
) -> Replay:
    from passerelle.dossier import replay
    from passerelle_ops.installation import Installation
    from passerelle_ops.terminal import progress
    from passerelle_tenants.registry import recorded_networks

    installation = Installation(settings_of(state))
    found = replay.Replay()
    try:
        registry = await installation.registry()
        names = tenants or sorted(await recorded_networks(installation.directory.database))
        networks = [await registry.tenant(name) for name in names]
        totals = [await replay.count(tenant, since, until) for tenant in networks]
        with progress() as bar:
            for tenant, total in zip(networks, totals, strict=True):
                task = bar.add_task(tenant.id, total=total)
                found += await replay.replay(tenant, pack, since, until, on_lines=partial(_advance, bar, task))
        return found
    finally:
        await installation.close()


def _advance(bar: Progress, task: TaskID, lines: int) -> None:
    bar.update(task, completed=lines)


def _pack(said: str) -> Pack:
    from importlib.resources import files

    from passerelle.dossier.replay import draft
    from passerelle_ops.cli.failures import FAILED, complain
    from passerelle_policies.matrix import InvalidPack
    from passerelle_policies.packs import load_pack, pack_names, read_pack

    try:
        if said in pack_names():
            return read_pack(said)
        if (Path(said) / "pack.toml").is_file():
            return draft(load_pack(Path(said).absolute(), files("passerelle_policies").joinpath("packs")))
    except InvalidPack as unreadable:
        complain(f"Ce paquet de règles ne se lit pas : {unreadable}", "PACK_UNREADABLE")
        raise typer.Exit(FAILED) from unreadable
    known = ", ".join(pack_names())
    raise typer.BadParameter(f"ni un dossier de paquet, ni l’un des paquets connus : {known}", param_hint="PAQUET")


def _midnight(said: str, option: str, *, days: int = 0) -> datetime:
    from datetime import date, datetime, timedelta

    from passerelle.kernel.clock import PARIS

    try:
        day = date.fromisoformat(said) + timedelta(days)
    except ValueError as wrong:
        raise typer.BadParameter("il faut une date comme 2026-11-16", param_hint=option) from wrong
    return datetime(day.year, day.month, day.day, tzinfo=PARIS)
