"""What `passerelle federation` shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from rich.markup import escape

from passerelle.kernel.clock import PARIS
from passerelle_ops.federating_status import Standing
from passerelle_ops.terminal import output, table
from passerelle_tenants.federation.dead_letters import DeadLetter
from passerelle_tenants.federation.status import PairStatus

#: Acknowledged a second, by network and by whom it sends to.
Rates = Mapping[tuple[str, str], float]


def rates(before: Sequence[Standing], after: Sequence[Standing], seconds: float) -> Rates:
    """How fast each pair went between two looks."""
    earlier = {(each.network, pair.to_tenant): pair.acked for each in before for pair in each.pairs or ()}
    return {
        (each.network, pair.to_tenant): max(pair.acked - earlier[each.network, pair.to_tenant], 0) / seconds
        for each in after
        for pair in each.pairs or ()
        if (each.network, pair.to_tenant) in earlier
    }


def status_document(found: Sequence[Standing], speeds: Rates, now: datetime) -> list[dict[str, Any]]:
    """One object for each network, with one for each other network in it."""
    return [
        {
            "network": each.network,
            "answers": each.pairs is not None,
            "peers": [
                {
                    **asdict(pair),
                    "oldest_s": _seconds(pair.oldest, now),
                    "rate": round(speeds.get((each.network, pair.to_tenant), 0.0), 1),
                }
                for pair in each.pairs or ()
            ],
        }
        for each in found
    ]


def show_status(found: Sequence[Standing], speeds: Rates, now: datetime) -> None:
    """A row for each pair; what wants looking at is in colour."""
    rows = []
    for each in found:
        if each.pairs is None:
            rows.append([each.network, "", "", "", "", "", "", "[red]sa base ne répond pas[/]"])
        rows += [_row(each.network, pair, speeds, now) for pair in each.pairs or ()]
    columns = ("de", "vers", "attend", "en route", "plus ancien", "par s", "arrêté", "")
    output().print(table("Échanges entre réseaux", columns, rows))


def _row(network: str, pair: PairStatus, speeds: Rates, now: datetime) -> list[str]:
    owed = pair.waiting + pair.in_flight
    return [
        network,
        pair.to_tenant,
        _in("yellow" if pair.away_since and pair.waiting else None, str(pair.waiting)),
        str(pair.in_flight),
        _age(pair.oldest, now),
        f"{speeds.get((network, pair.to_tenant), 0.0):.0f}",
        _in("red" if pair.dead else None, str(pair.dead)),
        _state(pair, owed, now),
    ]


def _state(pair: PairStatus, owed: int, now: datetime) -> str:
    if pair.heard_at is None:
        return "[yellow]jamais entendu[/]"
    if pair.away_since is not None:
        return f"[yellow]absent depuis {_age(pair.away_since, now)}[/]"
    return "[green]à jour[/]" if owed == 0 else "en cours"


def dead_document(found: Sequence[DeadLetter]) -> list[dict[str, Any]]:
    """Everything that is known of them: ids, codes and instants."""
    return [asdict(each) for each in found]


def show_dead(found: Sequence[DeadLetter]) -> None:
    """A row for each, the oldest first."""
    rows = (
        (
            each.to_tenant,
            each.kind,
            str(each.object_id),
            escape(each.code),
            str(each.attempts),
            f"{each.since.astimezone(PARIS):%d/%m/%Y %H:%M}",
            f"{each.dead_at.astimezone(PARIS):%d/%m/%Y %H:%M}",
        )
        for each in found
    )
    columns = ("vers", "quoi", "objet", "motif", "essais", "dû depuis", "arrêté le")
    output().print(table("Ce qui n’est plus envoyé", columns, rows, whole=("objet",)))


def _in(colour: str | None, text: str) -> str:
    return text if colour is None else f"[{colour}]{text}[/]"


def _seconds(instant: datetime | None, now: datetime) -> float | None:
    return None if instant is None else round(max((now - instant).total_seconds(), 0.0), 1)


def _age(instant: datetime | None, now: datetime) -> str:
    seconds = _seconds(instant, now)
    if seconds is None:
        return ""
    for unit, long in (("j", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * long:
            return f"{seconds / long:.0f} {unit}"
    return f"{seconds:.0f} s"
