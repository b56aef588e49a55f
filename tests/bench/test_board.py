"""What `bench board` measures is what it says: whole sheets that break no rule, and each of its figures."""

from __future__ import annotations

from passerelle_ops.bench._board_sheets import SHEETS, sheet_figures, sheets


def test_its_sheets_lack_nothing_and_break_no_rule() -> None:
    turns = []
    figures = {each.name: each.value for each in sheet_figures(1, lambda: turns.append(1))}
    assert len(sheets()) == SHEETS
    assert len({each.header.id for each in sheets()}) == SHEETS
    assert set(figures) == {"sheets_per_s", "sheet_written_ms", "sheet_to_lxml_ratio", "sheet_octets"}
    assert turns == [1]
    assert figures["sheet_to_lxml_ratio"] > 1
