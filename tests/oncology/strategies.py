"""Any board sheet: every declared field answered or not, with whatever the field takes."""

from __future__ import annotations

from typing import Any, Final

from hypothesis import strategies as st

from passerelle.oncology.coded import Code
from passerelle.oncology.sheet import BoardSheet, Edition
from passerelle.oncology.sheet_fields import begun, put
from passerelle.oncology.sheet_table import Field, table
from passerelle.oncology.value_sets import value_sets
from tests.oncology.sheets import COMPULSORY, a_header

EDITIONS: Final[tuple[Edition, ...]] = ("2022.01", "2025.01")
_LETTERS: Final = st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Cn", "Co"))
_WORDS: Final = st.one_of(
    st.text(st.one_of(_LETTERS, st.sampled_from(" \n\t<>&\"'")), max_size=60),
    st.sampled_from(["Ligne 1\n\nLigne 2", "a & b < c", "-", "É\u00a0: oui", "]]>", "#p1-2"]),
)
_DAYS: Final = st.sampled_from(["2026", "202602", "20260218", "202602181711+0100", "20260218171100+0100"])
_CODES: Final = st.builds(
    Code,
    code=st.from_regex(r"[A-Z][0-9A-Za-z./-]{0,8}", fullmatch=True),
    system=st.sampled_from(["2.16.840.1.113883.6.3", "2.16.840.1.113883.15.6", "2.16.840.1.113883.6.43.1"]),
    label=st.none() | st.text(_LETTERS, min_size=1, max_size=20),
)


def answers_to(field: Field) -> st.SearchStrategy[Any]:
    """What a field takes."""
    if field.type == "code":
        known = value_sets().get(field.values or "")
        return (st.sampled_from(sorted(known)) if known else _CODES) | st.just(Code(null_flavor="UNK"))
    if field.type == "status":
        return st.sampled_from(sorted(field.words))
    return {"boolean": st.booleans(), "integer": st.integers(0, 99), "date": _DAYS}.get(field.type, _WORDS)


def _several(fields: list[Field]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional={each.name: answers_to(each) for each in fields if each.type != "group"})


def any_answers() -> st.SearchStrategy[dict[str, Any]]:
    """Answers to some of the fields and lists of a sheet."""
    declared = table()
    lists = {name: st.lists(_several(declared.of_record(name)), max_size=3) for name in declared.records}
    single = {each.name: answers_to(each) for each in declared.fields.values() if each.section and each.type != "group"}
    return st.fixed_dictionaries({}, optional=single | lists)


def any_editions() -> st.SearchStrategy[Edition]:
    """Either edition."""
    return st.sampled_from(EDITIONS)


def sheet_of(edition: Edition, answers: dict[str, Any]) -> BoardSheet:
    """A sheet with everything compulsory, and these answers."""
    return put(begun(a_header(), edition), **(COMPULSORY | answers))
