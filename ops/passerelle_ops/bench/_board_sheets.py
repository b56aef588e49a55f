"""Forty sheets written and checked, against what lxml needs to write the same documents out of trees that are there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from time import perf_counter
from typing import Final

from lxml import etree

from passerelle.oncology.formats import frcp, schemas
from passerelle.oncology.formats.rules.shapes import DocumentKind
from passerelle.oncology.sheet import BoardSheet
from passerelle.oncology.sheet_fields import missing
from passerelle_ops.bench._report import Figure
from passerelle_ops.demo.corpus.sheets import sheet

SHEETS: Final = 40


def sheets() -> list[BoardSheet]:
    """Forty sheets of invented people, that lack nothing."""
    made = [sheet(number) for number in range(SHEETS)]
    if any(missing(each) for each in made):
        raise ValueError("a sheet of the bench lacks an answer")
    return made


def sheet_figures(rounds: int, on_round: Callable[[], None] = lambda: None) -> list[Figure]:
    """How many sheets are written and checked each second, and how that compares to lxml alone; in turns."""
    made = sheets()
    documents = [_valid(each) for each in made]
    trees = [etree.fromstring(each) for each in documents]
    whole, written, alone = [], [], []
    for _ in range(rounds):
        whole.append(_timed(lambda: [_valid(each) for each in made]))
        written.append(_timed(lambda: [frcp.written(each) for each in made]))
        alone.append(_timed(lambda: [etree.tostring(each, encoding="utf-8") for each in trees]))
        on_round()
    ratios = [one / other for one, other in zip(whole, alone, strict=True)]
    return [
        Figure(name="sheets_per_s", value=SHEETS / median(whole), unit="/s"),
        Figure(name="sheet_written_ms", value=median(written) / SHEETS * 1000, unit="ms"),
        Figure(name="sheet_to_lxml_ratio", value=median(ratios), unit="ratio"),
        Figure(name="sheet_octets", value=sum(map(len, documents)) / SHEETS, unit="o"),
    ]


def _valid(sheet: BoardSheet) -> bytes:
    document = frcp.written(sheet)
    if schemas.check(document, DocumentKind.FRCP):
        raise ValueError("a sheet of the bench breaks a rule")
    return document


def _timed(do: Callable[[], Sequence[object]]) -> float:
    began = perf_counter()
    do()
    return perf_counter() - began
