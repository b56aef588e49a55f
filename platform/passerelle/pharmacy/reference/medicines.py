"""Looking medicines up in the edition in force: by code, by name, by substance, by generic group (`rows` as values).

These are public lists: no patient is concerned and no line of the journal is written (docs/decisions/0108).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from typing import Any, Final

from sqlalchemy import CTE, ColumnElement, Select, Text, func, literal, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.kernel.database import Database, Statement
from passerelle.kernel.errors import Conflict, InvalidInput
from passerelle.pharmacy.reference import rows
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Medicine:
    """A speciality of the edition in force, with what it is made of, its boxes and its shortages.

    `is_short`: a shortage of it, or of a box of it, is under way.
    """

    cis: str
    name: str
    form: str
    routes: tuple[str, ...]
    holder: str
    is_marketed: bool
    atc: str | None
    product_class: str
    generic_group: str | None
    is_major_interest: bool
    conditions: tuple[str, ...]
    dated: date
    origin: ReferenceOrigin
    is_short: bool
    substances: tuple[Substance, ...]
    presentations: tuple[Presentation, ...]
    shortages: tuple[Shortage, ...]


@dataclass(frozen=True, slots=True)
class Alternative:
    """A medicine of the same generic group."""

    cis: str
    name: str
    holder: str
    is_short: bool


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
#: What is not of one medicine alone: the columns that its rows are read by.
_SUBSTANCE: Final = ("substance_code", "name", "strength", "reference", "nature", "element", "link", "known_as")
_BOX: Final = ("cip13", "cip7", "label", "is_marketed")
_LACK: Final = ("cip13", "status", "since", "expected_back", "link")


def _whole(edition: CTE, found: CTE, *more: ColumnElement[Any]) -> Select[Any]:
    """The medicines found, each with what belongs to it, by name."""
    substance, box, lack = rows.belonging(edition, found)
    return select(
        *more,
        *(found.c[name] for name in rows.SHOWN),
        _listed(found, substance, substance.c.number, _SUBSTANCE, families=rows.families(substance)),
        _listed(found, box, box.c.cip13, _BOX),
        _listed(found, lack, lack.c.number, _LACK),
    ).order_by(found.c.search_name, found.c.cis)


def _listed(
    found: CTE, of: CTE, order: ColumnElement[Any], columns: Sequence[str], **more: ColumnElement[Any]
) -> ColumnElement[Any]:
    given = {**{name: of.c[name] for name in columns}, **more}
    row = func.jsonb_build_object(*(part for name, each in given.items() for part in (literal(name, Text()), each)))
    each = func.jsonb_agg(aggregate_order_by(row, order))
    return select(each).where(of.c.cis == found.c.cis).scalar_subquery().label(of.name)


def _one() -> Select[Any]:
    edition = rows.edition()
    return _whole(edition, rows.one(edition))


def _page() -> Select[Any]:
    edition = rows.edition()
    return _whole(edition, rows.page(edition))


def _others() -> Select[Any]:
    edition = rows.edition()
    other = rows.alternatives(edition, rows.one(edition))
    return select(*(other.c[each.name] for each in fields(Alternative))).order_by(other.c.number)


def _boxed() -> Select[Any]:
    edition = rows.edition()
    boxes, found = rows.boxes(edition)
    return _whole(edition, found, boxes.c.cip13).join(boxes, boxes.c.cis == found.c.cis)


_ONE, _PAGE, _OTHERS = Statement(_one()), Statement(_page()), Statement(_others())
_LOADED = Statement(select(rows.edition().c.edition_id))
_BOXED = _boxed()


async def medicine(
    database: Database, *, cip13: str | None = None, cip7: str | None = None, cis: str | None = None
) -> Medicine | None:
    """The medicine of one code; null when the list in force has it not. Refused: `coded`, MEDICINES_NOT_LOADED."""
    found = await _fetched(database, _ONE, coded(cip13, cip7, cis))
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
    found = await _fetched(database, _PAGE, {**sought(asked, least=least, after=after), "size": first + 1})
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


async def alternatives(database: Database, cis: str, *, most: int) -> list[Alternative]:
    """Marketed medicines of the same generic groups, those that are not short first.

    Refused: CIS_INVALID, MEDICINES_NOT_LOADED.
    """
    return [Alternative(*row) for row in await _rows(database, _OTHERS, {**coded(None, None, cis), "most": most})]


async def products(connection: AsyncConnection, cip13s: Sequence[str]) -> Mapping[str, Product]:
    """The boxes that the edition in force knows, by CIP13, in one statement; the others are missing."""
    found = await connection.execute(_BOXED, {"cip13s": list(cip13s)})
    return {row[0]: Product(cip13=row[0], medicine=_medicine(row[1:])) for row in found}


async def _fetched(database: Database, statement: Statement, values: Mapping[str, Any]) -> list[Medicine]:
    return [_medicine(row) for row in await _rows(database, statement, values)]


async def _rows(database: Database, statement: Statement, values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
    found = await database.fetch(statement, values)
    if not found and not await database.fetch(_LOADED, {}):
        raise Conflict("MEDICINES_NOT_LOADED")
    return found


def _medicine(row: Sequence[Any]) -> Medicine:
    *plain, substances, presentations, shortages = row
    values = dict(zip(rows.SHOWN, plain, strict=True))
    return Medicine(
        **{name: value for name, value in values.items() if name != "search_name"}
        | {
            "routes": tuple(values["routes"]),
            "conditions": tuple(values["conditions"]),
            "origin": ReferenceOrigin(values["origin"]),
        },
        substances=tuple(_substance(**each) for each in substances or ()),
        presentations=tuple(Presentation(**each) for each in presentations or ()),
        shortages=tuple(_shortage(**each) for each in shortages or ()),
    )


def _substance(*, substance_code: str, known_as: list[str], families: list[str] | None, **more: Any) -> Substance:
    return Substance(code=substance_code, known_as=tuple(known_as), families=tuple(families or ()), **more)


def _shortage(*, since: str, expected_back: str | None, **more: Any) -> Shortage:
    back = date.fromisoformat(expected_back) if expected_back is not None else None
    return Shortage(since=date.fromisoformat(since), expected_back=back, **more)
