"""Lines of a matrix that no question reaches, and lines that contradict one another.

The order among lines is the one that `packs/LISEZMOI.md` states. A `deny` line is an exception: it narrows wider
`allow` lines under the same relation, so an `allow` line that names a word under which an exception leaves nothing
says the contrary of it. Of several `allow` lines the first answers. A line with `when` sleeps or wakes apart from
the lines of other parameters, and is judged with those lines asleep.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from passerelle_policies.cells import Cell, Cells
from passerelle_policies.faults import Fault, fault
from passerelle_policies.matrix import Concealment, Line
from passerelle_policies.packs import Pack
from passerelle_policies.roles import relations_of
from passerelle_policies.vocabulary import Role
from passerelle_policies.words import ACT_WORDS


def unreachable_lines(pack: Pack, named: Cells) -> Iterator[Fault]:
    """The lines of `pack` that can never answer, wholly or under one of the words that they name; `named` by each."""
    held = {role.value: relations_of(role) for role in Role}
    cells = {rule: {cell for cell in these if cell.relation in held[cell.role]} for rule, these in named.items()}
    allowing = [line for line in pack.lines if line.effect == "allow"]
    denying = [line for line in pack.lines if line.effect == "deny"]
    for line in pack.lines:
        yield from _never_asked(line)
    for position, line in enumerate(allowing):
        yield from _allows_in_vain(pack, line, allowing[:position], allowing, denying, cells)
    given = _union(allowing, cells)
    left = given - _union(denying, cells)
    for position, line in enumerate(denying):
        yield from _denies_in_vain(pack, line, given, denying[:position], cells)
        yield from _takes_only_the_visible(line, cells[line.rule], left)


def _never_asked(line: Line) -> Iterator[Fault]:
    for action in sorted(line.actions):
        if (line.kind, action) not in ACT_WORDS:
            yield fault("QUESTION_NEVER_ASKED", line.rule, action=action, kind=line.kind)
    for role in sorted(line.roles - {Role.OTHER}):  # nobody: told of by another check
        if line.relations and not line.relations & relations_of(role):
            yield fault("RELATION_NEVER_HELD", line.rule, word=role)
    for relation in sorted(line.relations):
        if line.roles and not any(relation in relations_of(role) for role in line.roles):
            yield fault("RELATION_NEVER_HELD", line.rule, word=relation)


def _allows_in_vain(
    pack: Pack, line: Line, earlier: Sequence[Line], allowing: Sequence[Line], denying: Sequence[Line], cells: Cells
) -> Iterator[Fault]:
    these = cells[line.rule]
    if not these:
        return
    exceptions = [each for each in denying if _wakes_with(each, line) and cells[each.rule] & these]
    left = these - _union(exceptions, cells)
    if not left:
        yield fault("LINE_DENIED", line.rule, by=_names(exceptions))
        return
    for word in _words_lost(pack, line, these, left) if exceptions else ():
        by = [each for each in exceptions if any(word in _words_of(pack, cell) for cell in cells[each.rule] & these)]
        yield fault("LINE_CONTRADICTED", line.rule, word=word, by=_names(by))
    first = [each for each in earlier if _wakes_with(each, line) and cells[each.rule] & left]
    if left <= _union(first, cells):
        yield fault("LINE_UNREACHABLE", line.rule, by=_names(first))
    elif line.when and left <= _union((each for each in allowing if not each.when), cells):
        yield fault("GATE_IDLE", line.rule, gate=line.when)


def _denies_in_vain(pack: Pack, line: Line, given: set[Cell], earlier: Sequence[Line], cells: Cells) -> Iterator[Fault]:
    useful = cells[line.rule] & given
    for word in _words_lost(pack, line, cells[line.rule], useful):
        yield fault("DENIES_NOTHING", line.rule, word=word)
    first = [each for each in earlier if _wakes_with(each, line) and cells[each.rule] & useful]
    if useful and useful <= _union(first, cells):
        yield fault("LINE_UNREACHABLE", line.rule, by=_names(first))


def _takes_only_the_visible(line: Line, these: set[Cell], left: set[Cell]) -> Iterator[Fault]:
    """An exception that forgets `even_if` would show a document once it is concealed, and only then."""
    for cell in sorted(each for each in these if each.concealment == Concealment.PLAIN):
        if any(cell._replace(concealment=each.value) in left for each in Concealment):
            yield fault("CONCEALED_SHOWS_MORE", line.rule, example=f"{cell.role}, {cell.action}, {cell.type}")
            return


def _wakes_with(other: Line, line: Line) -> bool:
    """Whether `other` is awake whenever `line` is."""
    return other.when in ("", line.when)


def _words_lost(pack: Pack, line: Line, these: set[Cell], left: set[Cell]) -> list[str]:
    """The words that a line names, and under which nothing of it is left."""
    return sorted({*line.roles, *line.relations, *line.actions, *line.types} & _words(pack, these) - _words(pack, left))


def _words(pack: Pack, cells: set[Cell]) -> set[str]:
    types = {cell.type for cell in cells}
    return {
        *(cell.role for cell in cells),
        *(cell.relation for cell in cells),
        *(cell.action for cell in cells),
        *types,
        *(name for each in types for name in pack.sets_of_type.get(each, ())),
    }


def _words_of(pack: Pack, cell: Cell) -> Iterable[str]:
    return {cell.role, cell.relation, cell.action, cell.type} | pack.sets_of_type.get(cell.type, frozenset())


def _union(lines: Iterable[Line], cells: Cells) -> set[Cell]:
    return set[Cell]().union(*(cells[line.rule] for line in lines))


def _names(lines: Iterable[Line]) -> str:
    return ", ".join(line.rule for line in lines)
