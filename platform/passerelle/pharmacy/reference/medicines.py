"""Looking medicines up in the edition in force: by code, by name, by substance, by generic group.

These are public lists: no patient is concerned and no line of the journal is written (docs/decisions/0108).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from sqlalchemy import Integer, Text, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.kernel.database import Database, Statement
from passerelle.kernel.errors import Conflict, InvalidInput
from passerelle.pharmacy.reference.cip import is_cip7, is_cip13, is_cis
from passerelle.pharmacy.reference.names import words
from passerelle.pharmacy.reference.sources import ReferenceOrigin


@dataclass(frozen=True, slots=True, kw_only=True)
class Substance:
    """What a medicine holds. `known_as`: the folded names to look for in the interactions; `families`: theirs."""

    code: str
    name: str
    strength: str
    reference: str
    nature: str
    element: str
    link: int
    known_as: tuple[str, ...]
    families: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Presentation:
    """A box."""

    cip13: str
    cip7: str
    label: str
    is_marketed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortage:
    """out, strained, stopped or back; without `cip13`, every box of the medicine."""

    cip13: str | None
    status: str
    since: date
    expected_back: date | None
    link: str

    @property
    def is_under_way(self) -> bool:
        """Whether it is missing or may be, today."""
        return self.status != "back"


@dataclass(frozen=True, slots=True, kw_only=True)
class Medicine:
    """A speciality of the edition in force, with what it is made of, its boxes and its shortages."""

    cis: str
    name: str
    form: str
    routes: tuple[str, ...]
    holder: str
    is_marketed: bool
    atc: str | None
    product_class: str
    generic_group: str | None
    generic_type: int | None
    is_major_interest: bool
    conditions: tuple[str, ...]
    dated: date
    origin: ReferenceOrigin
    substances: tuple[Substance, ...]
    presentations: tuple[Presentation, ...]
    shortages: tuple[Shortage, ...]

    @property
    def is_short(self) -> bool:
        """Whether a shortage of it is under way."""
        return any(each.is_under_way for each in self.shortages)


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A box, for the checks: its medicine, every name of its substances, and the families of the interactions."""

    cip13: str
    medicine: Medicine

    @property
    def names(self) -> frozenset[str]:
        """Substances and families: what to look for on either side of an interaction."""
        return frozenset(name for each in self.medicine.substances for name in (*each.known_as, *each.families))


@dataclass(frozen=True, slots=True)
class Page:
    """Some medicines in the order of their names; `after` begins the next page."""

    medicines: tuple[Medicine, ...]
    after: str | None


# Words of a search beyond which the rest is not looked at.
_MOST_WORDS: Final = 8
_PLAIN: Final = (
    *("cis", "name", "form", "routes", "holder", "is_marketed", "atc", "product_class", "generic_group"),
    *("generic_type", "is_major_interest", "conditions", "dated", "origin"),
)
_IN_FORCE: Final = "in_force_from is not null and in_force_until is null"
_EDITION: Final = f"with edition as (select source, edition_id, dated, origin from reference_edition where {_IN_FORCE})"  # noqa: S608
_COLUMNS: Final = """m.cis, m.name, m.form, m.routes, m.holder, m.is_marketed, m.atc, m.product_class, m.generic_group,
  m.generic_type, m.is_major_interest, m.conditions, e.dated, e.origin,
  (select coalesce(jsonb_agg(jsonb_build_object('code', s.substance_code, 'name', s.name, 'strength', s.strength,
      'reference', s.reference, 'nature', s.nature, 'element', s.element, 'link', s.link, 'known_as', s.known_as,
      'families', (
        select coalesce(jsonb_agg(distinct f.family), jsonb '[]') from interaction_family f
        where f.edition_id = (select edition_id from edition where source = 'interactions')
          and f.substance = any(s.known_as))) order by s.number), jsonb '[]')
    from medicine_substance s where s.edition_id = m.edition_id and s.cis = m.cis) as substances,
  (select coalesce(jsonb_agg(jsonb_build_object('cip13', p.cip13, 'cip7', p.cip7, 'label', p.label,
      'is_marketed', p.is_marketed) order by p.cip13), jsonb '[]')
    from presentation p where p.edition_id = m.edition_id and p.cis = m.cis) as presentations,
  (select coalesce(jsonb_agg(jsonb_build_object('cip13', h.cip13, 'status', h.status, 'since', h.since,
      'expected_back', h.expected_back, 'link', h.link) order by h.number), jsonb '[]')
    from shortage h where h.edition_id = m.edition_id and h.cis = m.cis) as shortages"""
_FROM: Final = "from edition e join medicine m on m.edition_id = e.edition_id and e.source = 'bdpm'"


def _sql(rest: str, *, first: str = "", also: str = "", **types: Any) -> Statement:
    return Statement(
        text(f"{_EDITION}{also} select {first}{_COLUMNS} {rest}").bindparams(
            *(bindparam(name, type_=type_) for name, type_ in types.items())
        )
    )


_BY_CIS = _sql(f"{_FROM} where m.cis = :code", code=Text())
_BY_CIP13 = _sql(
    f"{_FROM} join presentation b on b.edition_id = m.edition_id and b.cis = m.cis where b.cip13 = :code", code=Text()
)
_BY_CIP7 = _sql(
    f"{_FROM} join presentation b on b.edition_id = m.edition_id and b.cis = m.cis where b.cip7 = :code", code=Text()
)
_BY_CODE: Final = {"cis": _BY_CIS, "cip13": _BY_CIP13, "cip7": _BY_CIP7}
# The rows of the word that is asked most of are found first; only those of the page are read whole.
_SEARCH = _sql(
    f"{_FROM} join page using (cis) order by m.search_name, m.cis",
    also=""", page as (
  select m.cis from edition e join medicine m on m.edition_id = e.edition_id and e.source = 'bdpm'
  where m.cis in (
      select w.cis from medicine_word w
      where w.edition_id = (select edition_id from edition where source = 'bdpm')
        and w.word >= :lead and w.word < :lead_end)
    and m.search_words like all(:patterns)
    and (:after is null or (m.search_name, m.cis) > (
      select a.search_name, a.cis from medicine a where a.edition_id = m.edition_id and a.cis = :after))
  order by m.search_name, m.cis limit :size
)""",
    lead=Text(),
    lead_end=Text(),
    patterns=ARRAY(Text()),
    after=Text(),
    size=Integer(),
)
_ALTERNATIVES = _sql(
    f"""{_FROM} where m.is_marketed and m.cis <> :code and m.cis in (
      select o.cis from generic_member g join generic_member o using (edition_id, generic_group)
      where g.edition_id = m.edition_id and g.cis = :code)
  order by exists (select from shortage h
      where h.edition_id = m.edition_id and h.cis = m.cis and h.status <> 'back'), m.search_name, m.cis limit :size""",  # noqa: S608
    code=Text(),
    size=Integer(),
)
_PRODUCTS = text(
    f"{_EDITION} select b.cip13, {_COLUMNS} {_FROM}"
    " join presentation b on b.edition_id = m.edition_id and b.cis = m.cis where b.cip13 = any(:codes)"
).bindparams(bindparam("codes", type_=ARRAY(Text())))
_LOADED = Statement(text("select 1 from reference_edition where source = 'bdpm' and " + _IN_FORCE))  # noqa: S608


async def medicine(
    database: Database, *, cip13: str | None = None, cip7: str | None = None, cis: str | None = None
) -> Medicine | None:
    """The medicine of one code; null when the list in force has it not. Refused: `coded`, MEDICINES_NOT_LOADED."""
    ((name, code),) = ((name, code) for name, code in coded(cip13, cip7, cis).items() if code is not None)
    found = await _fetched(database, _BY_CODE[name], {"code": code})
    return found[0] if found else None


def coded(cip13: str | None, cip7: str | None, cis: str | None) -> dict[str, str | None]:
    """The one code that was given, and two nulls. Refused: MEDICINE_ONE_CODE, CIP_INVALID, CIS_INVALID."""
    if sum(code is not None for code in (cip13, cip7, cis)) != 1:
        raise InvalidInput("MEDICINE_ONE_CODE")
    if cis is not None and not is_cis(cis):
        raise InvalidInput("CIS_INVALID")
    if (cip13 is not None and not is_cip13(cip13)) or (cip7 is not None and not is_cip7(cip7)):
        raise InvalidInput("CIP_INVALID")
    return {"cip13": cip13, "cip7": cip7, "cis": cis}


async def search(database: Database, asked: str, *, least: int, first: int, after: str | None = None) -> Page:
    """Medicines whose name or substances have words that begin with every word of `asked`, by name.

    Accents, capitals and order do not matter. Refused: as `sought`, MEDICINES_NOT_LOADED.
    """
    found = await _fetched(database, _SEARCH, {**sought(asked, least=least, after=after), "size": first + 1})
    shown = tuple(found[:first])
    return Page(shown, shown[-1].cis if len(found) > first else None)


def sought(asked: str, *, least: int, after: str | None) -> dict[str, Any]:
    """What a search binds. Refused: MEDICINE_SEARCH_SHORT when no word has `least` letters, CURSOR_INVALID."""
    given = words(asked)[:_MOST_WORDS]
    lead = max(given, key=len, default="")
    if len(lead) < least:
        raise InvalidInput("MEDICINE_SEARCH_SHORT", least=least)
    if after is not None and not is_cis(after):
        raise InvalidInput("CURSOR_INVALID")
    return {
        "lead": lead,
        "lead_end": f"{lead}~",  # after every letter and digit
        "patterns": [f"% {word}%" for word in given],
        "after": after,
    }


async def alternatives(database: Database, cis: str, *, most: int) -> list[Medicine]:
    """Marketed medicines of the same generic groups, those that are not short first. Refused: CIS_INVALID."""
    if not is_cis(cis):
        raise InvalidInput("CIS_INVALID")
    return await _fetched(database, _ALTERNATIVES, {"code": cis, "size": most})


async def products(connection: AsyncConnection, cip13s: Sequence[str]) -> Mapping[str, Product]:
    """The boxes that the edition in force knows, by CIP13, in one statement; the others are missing."""
    rows = await connection.execute(_PRODUCTS, {"codes": list(cip13s)})
    return {row[0]: Product(cip13=row[0], medicine=_medicine(row[1:])) for row in rows}


async def _fetched(database: Database, statement: Statement, values: Mapping[str, Any]) -> list[Medicine]:
    rows = await database.fetch(statement, values)
    if not rows and not await database.fetch(_LOADED, {}):
        raise Conflict("MEDICINES_NOT_LOADED")
    return [_medicine(row) for row in rows]


def _medicine(row: Sequence[Any]) -> Medicine:
    *plain, substances, presentations, shortages = row
    values = dict(zip(_PLAIN, plain, strict=True))
    origin = values.pop("origin")
    return Medicine(
        **{**values, "routes": tuple(values["routes"]), "conditions": tuple(values["conditions"])},
        origin=ReferenceOrigin(origin),
        substances=tuple(
            Substance(**{**each, "known_as": tuple(each["known_as"]), "families": tuple(each["families"])})
            for each in substances
        ),
        presentations=tuple(Presentation(**each) for each in presentations),
        shortages=tuple(
            Shortage(
                **{
                    **each,
                    "since": date.fromisoformat(each["since"]),
                    "expected_back": each["expected_back"] and date.fromisoformat(each["expected_back"]),
                }
            )
            for each in shortages
        ),
    )
