"""From Casbin's answers, one by one, to the few lines of a filter. Nothing here decides anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from passerelle_policies.facts import DocumentFacts, Reach
from passerelle_policies.matrix import Concealment, Line, terms_matching
from passerelle_policies.packs import Pack
from passerelle_policies.vocabulary import Relation


@dataclass(frozen=True, slots=True)
class Compiled:
    """Every answer of Casbin to one (pack, role, mode, kind, action), for an open record and for any other."""

    open: tuple[Reach, ...]
    otherwise: tuple[Reach, ...]
    denials: Mapping[str, Mapping[Relation, str]]
    lines: Mapping[str, Line]

    def allowing(self, is_open: bool, relations: frozenset[Relation], document: DocumentFacts | None) -> Line | None:
        """The line of the matrix that allows it, if one does."""
        for each in self.open if is_open else self.otherwise:
            if each.relations & relations and (document is None or not each.types or each.shows(document)):
                return self.lines[each.rule]
        return None

    def denying(self, relations: frozenset[Relation], document: DocumentFacts) -> Line | None:
        """The line that takes this document's type away from one of `relations`, if one does."""
        denied_by = self.denials.get(document.type_code, {})
        return next((self.lines[denied_by[each]] for each in Relation if each in relations & denied_by.keys()), None)

    def types_for(self, relations: frozenset[Relation]) -> frozenset[str]:
        """The document types that `relations` reach, concealments aside, in an open record."""
        return frozenset(code for each in self.open if each.relations & relations for code in each.types)


def alike_types(pack: Pack, lines: Iterable[Line]) -> dict[str, tuple[str, ...]]:
    """The types of the DMP that no line tells apart, under one of them: Casbin is asked once for each such set."""
    terms = sorted({term for line in lines for term in line.types})
    alike: dict[tuple[bool, ...], list[str]] = {}
    for type_code in sorted(pack.dmp_types):
        sets = pack.sets_of_type[type_code]
        alike.setdefault(tuple(terms_matching((term,), type_code, sets) for term in terms), []).append(type_code)
    return {types[0]: tuple(types) for types in alike.values()}


def rules_of(cell: Mapping[Concealment, str]) -> list[tuple[str, frozenset[Concealment]]]:
    """The rules that answer for one cell: the plain one for what it shows, then any wider one for all that is shown."""
    plain = cell.get(Concealment.PLAIN)
    if plain is None:
        return []
    by_plain = frozenset(each for each, rule in cell.items() if rule == plain)
    rules = [(plain, by_plain)]
    rules += [(rule, frozenset(cell)) for rule in dict.fromkeys(cell.values()) if rule != plain]
    return rules


def merged(grouped: Mapping[tuple[Relation, str, frozenset[Concealment]], list[str]]) -> tuple[Reach, ...]:
    """Cells (relation, rule, what is shown: types) as filter lines, relations that reach alike put together."""
    by_rest: dict[tuple[str, frozenset[Concealment], tuple[str, ...]], set[Relation]] = {}
    for (relation, rule, seen), types in grouped.items():
        by_rest.setdefault((rule, seen, tuple(sorted(types))), set()).add(relation)
    return tuple(
        Reach(
            relations=frozenset(relations),
            types=types,
            sees_masked=Concealment.MASKED in seen,
            sees_hidden_from_patient=Concealment.HIDDEN_FROM_PATIENT in seen,
            sees_hidden_from_representatives=Concealment.HIDDEN_FROM_REPRESENTATIVES in seen,
            rule=rule,
        )
        for (rule, seen, types), relations in by_rest.items()
    )
