"""What `passerelle board` shows."""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any, Final

from rich.markup import escape

from passerelle.oncology.boards import ORGANS
from passerelle.oncology.indicators import Activity, Days, Level, Line
from passerelle.oncology.value_sets import value_sets
from passerelle_ops.terminal import output, table

_KINDS: Final = {
    "standard": "standard",
    "recourse": "recours",
    "rare_cancers": "cancers rares",
    "paediatric": "pédiatrique",
}
_STATES: Final = {"declared": "déclarée", "validated": "validée", "suspended": "suspendue"}
_DELAYS: Final = ("to_session", "to_sheet")


def show_boards(found: Sequence[Mapping[str, Any]]) -> None:
    """A table of boards."""
    rows = (
        (
            str(each["board_id"]),
            escape(each["name"]),
            " · ".join(filter(None, (_KINDS[each["kind"]], _organ(each["organ"])))),
            _STATES[each["state"]],
        )
        for each in found
    )
    columns = ("identifiant", "RCP", "type", "état")
    output().print(table("RCP du réseau", columns, rows, whole=("identifiant",)))


def as_document(found: Activity) -> dict[str, Any]:
    """The whole activity; null for what is withheld."""
    return asdict(found)


def write_csv(found: Activity) -> None:
    """A line for each, on the standard output; empty for what is withheld."""
    names = [each.name for each in fields(Line) if each.name not in _DELAYS]
    written = csv.writer(sys.stdout)
    written.writerow(["since", "until", *names, *(f"{delay}_{share}" for delay in _DELAYS for share in ("p50", "p90"))])
    for line in found.lines:
        said = asdict(line)
        delays = [(said[delay] or {}).get(share) for delay in _DELAYS for share in ("p50", "p90")]
        written.writerow([found.since, found.until, *(_cell(said[name]) for name in names), *delays])


def show_activity(found: Activity) -> None:
    """A table, each line before those that it adds up."""
    rows = (
        (
            _title(each),
            f"{each.sessions_in_quorum}/{each.sessions_held}",
            _count(each.cases),
            _count(each.discussed),
            _count(each.registered_only),
            _count(each.off_standard),
            _count(each.referred),
            _count(each.sheets),
            _days(each.to_session),
            _days(each.to_sheet),
        )
        for each in found.lines
    )
    columns = ("", "quorum", "cas", "disc.", "enr.", "hors r.", "rec.", "fiches", "délai", "fiche")
    title = f"Activité des RCP du {found.since:%d/%m/%Y} au {found.until:%d/%m/%Y} exclu"
    caption = (
        f"· : moins de {found.least}, ou ce qui le trahirait. Cas discutés, enregistrés, hors référentiel, en recours."
        " Jours jusqu’à la session, puis jusqu’à la fiche : pour la moitié des cas, et pour neuf sur dix."
    )
    output().print(table(title, columns, rows, caption=caption, whole=("",)))


def _cell(said: object) -> object:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{said}" if isinstance(said, str) and said[:1] in tuple("=+-@\t\r") else said


def _title(line: Line) -> str:
    match line.level:
        case Level.NETWORK:
            return "[bold]Réseau[/]"
        case Level.KIND:
            return f" {_KINDS[line.kind or '']}"
        case Level.ORGAN:
            return f"  {_organ(line.organ) or 'transversale'}"
    return f"   {escape(line.name or '')}"


def _organ(code: str | None) -> str:
    found = value_sets()[ORGANS].get(code or "")
    return str(found.label) if found else ""


def _count(said: int | None) -> str:
    return "·" if said is None else str(said)


def _days(said: Days | None) -> str:
    return "" if said is None else f"{said.p50} · {said.p90}"
