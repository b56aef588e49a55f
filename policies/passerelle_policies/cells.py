"""The matrix cell by cell: the plainest reading of a line, without Casbin."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from itertools import product
from typing import NamedTuple, TypeAlias

from passerelle_policies.matrix import ANY, NO_TYPE, Line
from passerelle_policies.packs import Pack


class Cell(NamedTuple):
    """One question that the matrix may be asked. `dossier` is `open` or `other`; `type` is `-` where none is meant, and
    `setting` is `*` where no line of the kind looks at it."""

    role: str
    relation: str
    setting: str
    kind: str
    action: str
    mode: str
    type: str
    concealment: str
    dossier: str


Cells: TypeAlias = Mapping[str, set[Cell]]
"""Those of each line, by the name of its rule."""

_CELL = partial(tuple.__new__, Cell)
"""`Cell` of nine words at once: there are some hundred thousand cells."""


def cells_of(pack: Pack, line: Line) -> set[Cell]:
    """Every cell of the matrix that a line is about."""
    words = product(
        sorted(line.roles),
        sorted(line.relations),
        sorted(line.settings) if line.kind in pack.by_setting else (ANY,),
        (line.kind.value,),
        sorted(line.actions),
        sorted(line.modes),
        sorted(types_of(pack, line)) or (NO_TYPE,),
        sorted(line.even_if),
        ("open",) if line.needs_open_dossier else ("open", "other"),
    )
    return set(map(_CELL, words))


def types_of(pack: Pack, line: Line) -> frozenset[str]:
    """The document types that a line names, one by one or by a set."""
    return frozenset[str]().union(*(pack.groups.get(term, frozenset({term})) for term in line.types))
