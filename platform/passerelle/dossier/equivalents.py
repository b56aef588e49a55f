"""Before an act of laboratory or imaging is asked for again: the recent results that would do.

Sources: LFSS 2026 (looking before prescribing what is already known); CSP L.1111-15. One SQL statement with the access
filter of every list: a result that the actor may not know of is not there, and nothing tells it from one that does
not exist. What is worth what is data, `equivalents.toml`; how long it is worth it, parameters of the rules.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CTE,
    ColumnElement,
    Date,
    DateTime,
    FromClause,
    Integer,
    Select,
    Text,
    and_,
    any_,
    bindparam,
    case,
    cast,
    column,
    func,
    literal,
    literal_column,
    not_,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB

from passerelle.dossier import access, judging, reach, reading
from passerelle.dossier.judging import Judged
from passerelle.dossier.tables import document
from passerelle.kernel.context import Context
from passerelle.kernel.database import Statement
from passerelle.kernel.errors import InvalidInput
from passerelle_policies.vocabulary import Action, DocumentStatus, Kind

MAX_CODE = 64
_KINDS = ("laboratory", "imaging")


class Match(StrEnum):
    """Why a result is shown."""

    SAME_ACT = "same_act"
    EQUIVALENT = "equivalent"
    SAME_CHAPTER = "same_chapter"  # a laboratory report of that chapter that does not code its examinations


#: What is shown of each result, in the order of the read model.
SHOWN = (*reading.SHOWN, "match", "age_days")


@dataclass(frozen=True, slots=True, kw_only=True)
class EquivalentResults:
    """Results that would do, the nearest first, then the newest; rows are mappings with the names in `SHOWN`."""

    results: list[dict[str, Any]]
    name: str | None
    relations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Worth:
    """What the table says of an act: what it is called, and what is looked for, each as `system|code`."""

    name: str | None
    same: tuple[str, ...]
    equivalent: tuple[str, ...]
    chapter: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Table:
    systems: Mapping[str, tuple[str, ...]]
    types: Mapping[str, tuple[str, ...]]
    chapters: tuple[str, ...]
    acts: Mapping[str, Mapping[str, Any]]  # by each of its codes

    def keys(self, codes: Iterable[str]) -> tuple[str, ...]:
        """`LOINC:2345-7` under every OID that its system has."""
        return tuple(
            f"{oid}|{code}"
            for each in codes
            for system, _, code in (each.partition(":"),)
            for oid in self.systems[system]
        )


@cache
def _table() -> _Table:
    given = tomllib.loads(files("passerelle.dossier").joinpath("equivalents.toml").read_text("utf-8"))
    systems = {name: tuple(oids) for name, oids in given["systems"].items()}
    types = {kind: tuple(given["types"][kind]) for kind in _KINDS}
    table = _Table(systems, types, (), {})
    chapters = table.keys(f"{system}:{code}" for system, codes in given["chapters"].items() for code in codes)
    acts = {key: act for act in given["acts"] for key in table.keys(act["codes"])}
    return _Table(systems, types, chapters, acts)


def _worth(code: str, system: str) -> _Worth:
    table = _table()
    oids = next((oids for oids in table.systems.values() if system in oids), (system,))
    same = tuple(f"{oid}|{code}" for oid in oids)
    act = table.acts.get(same[0])
    if act is None:
        return _Worth(None, same, (), ())
    chapter = table.keys([f"LOINC:{act['chapter']}"]) if "chapter" in act else ()
    equivalent = tuple(each for each in table.keys(act["codes"]) if each not in same)
    return _Worth(act["name"], same, equivalent, chapter)


@dataclass(frozen=True, slots=True)
class Search:
    """Looking for results in one record, as selectables."""

    judged: Judged
    lines: CTE

    def results(self) -> Select[Any]:
        """The results that the actor may see, nearest and newest first; columns as `SHOWN`."""
        answer = _answer()
        match = case(
            (answer.c.nearest == 0, Match.SAME_ACT.value),
            (answer.c.nearest == 1, Match.EQUIVALENT.value),
            else_=Match.SAME_CHAPTER.value,
        )
        return (
            select(
                *reading.shown_of(document, self.judged.facts, self.lines),
                match.label("match"),
                _age_days().label("age_days"),
            )
            .select_from(document.join(answer, true()))
            .where(
                document.c.patient_id == self.judged.patient_id,
                self.judged.is_allowed(),
                reach.visible(document, self.judged.facts, self.lines),
                reach.shown_status(document, self.judged.facts, self.lines) == DocumentStatus.CURRENT.value,
                or_(*(_is_recent(kind) for kind in _KINDS)),
                or_(answer.c.nearest < 2, and_(answer.c.nearest == 2, not_(answer.c.coded_finely))),
            )
            .order_by(answer.c.nearest, document.c.act_at.desc(), document.c.document_id.desc())
            .limit(bindparam("results_limit", type_=Integer()))
        )


def _answer() -> FromClause:
    """How near a row of `document` comes to the act by the codes in its index (0 the act, 1 another that is worth it,
    2 its chapter, null), and whether it names examinations finer than chapters."""
    codes = func.jsonb_array_elements(document.c.event_codes)
    event = codes.table_valued(column("value", JSONB)).render_derived("event")
    system, code = (event.c.value.op("->>", return_type=Text())(name) for name in ("system", "code"))
    key = system + literal("|") + code

    def among(name: str) -> ColumnElement[bool]:
        return key == any_(bindparam(name, type_=ARRAY(Text())))

    nearest = func.min(case((among("same_act"), 0), (among("equivalent_acts"), 1), (among("act_chapter"), 2)))
    finely = func.coalesce(func.bool_or(not_(among("all_chapters"))), literal_column("false"))
    return select(nearest.label("nearest"), finely.label("coded_finely")).select_from(event).lateral("answer")


def _age_days() -> ColumnElement[int]:
    """Days gone by in France since the act."""
    now = bindparam("access_now", type_=DateTime(timezone=True))
    days = [cast(func.timezone("Europe/Paris", at), Date) for at in (now, document.c.act_at)]
    return cast(days[0] - days[1], Integer)


def _is_recent(kind: str) -> ColumnElement[bool]:
    return and_(
        document.c.type_code == any_(bindparam(f"{kind}_types", type_=ARRAY(Text()))),
        document.c.act_at >= bindparam(f"{kind}_since", type_=DateTime(timezone=True)),
    )


def search() -> Search:
    """Facts, verdict and journal line, and the lines of the matrix that each result must meet."""
    judged = judging.judged(Kind.DOSSIER)
    return Search(judged, reach.reach_lines(judged.facts))


def _searched() -> Select[Any]:
    it = search()
    found = it.results().subquery("found")
    listed = select(func.json_agg(func.json_build_array(*found.c))).scalar_subquery()
    written = select(it.judged.journal_line.c.line_id).scalar_subquery()
    return select(it.judged.verdict, listed.label("results"), written.label("line_id")).select_from(it.judged.verdict)


SEARCH = Statement(_searched())


def act_name(code: str, system: str) -> str | None:
    """What the table calls an act; None for one that it does not know."""
    return _worth(code, system).name


def parameters(context: Context, patient_id: UUID, code: str, system: str) -> dict[str, Any]:
    """Every bind value of SEARCH. Refused: ACT_CODE_INVALID."""
    if not (0 < len(code) <= MAX_CODE and 0 < len(system) <= MAX_CODE) or "|" in code + system:
        raise InvalidInput("ACT_CODE_INVALID")
    worth, table = _worth(code, system), _table()
    now = context.clock.now()
    recent = {
        f"{kind}_since": now - timedelta(days=access.number(context, f"equivalents.{kind}_days")) for kind in _KINDS
    }
    return {
        **judging.parameters(context, Kind.DOSSIER, patient_id),
        **reach.reach_parameters(context, Kind.DOCUMENT, Action.READ),
        **recent,
        **{f"{kind}_types": list(table.types[kind]) for kind in _KINDS},
        "same_act": list(worth.same),
        "equivalent_acts": list(worth.equivalent),
        "act_chapter": list(worth.chapter),
        "all_chapters": list(table.chapters),
        "results_limit": access.number(context, "equivalents.listed_max"),
    }


async def equivalent_results(context: Context, patient_id: UUID, code: str, system: str) -> EquivalentResults:
    """The recent results that would do for an act, given by its code and the OID of its system.

    An act that the table does not know is worth itself alone. Journalled as opening the record. Refused: what opening
    the record refuses, ACT_CODE_INVALID.
    """
    row = (await context.tenant.database.fetch(SEARCH, parameters(context, patient_id, code, system)))[0]
    said = dict(zip(SEARCH.columns, row, strict=True))
    if not said["allowed"]:
        raise judging.refusal(context, Kind.DOSSIER, said)
    return EquivalentResults(
        results=[dict(zip(SHOWN, each, strict=True)) for each in said["results"] or ()],
        name=act_name(code, system),
        relations=tuple(said["relations"]),
    )
