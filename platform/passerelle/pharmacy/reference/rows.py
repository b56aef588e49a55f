"""The rows behind the medicines, as statements of one name each: `medicines` makes values of them, the gateway octets.

`edition`, then `found` (one medicine, or a page of them), then what belongs to each: `substance`, `box`, `lack`,
`alternative`.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import CTE, Integer, Select, Text, and_, bindparam, exists, func, or_, select, true, tuple_
from sqlalchemy.dialects.postgresql import ARRAY

from passerelle.pharmacy.reference.sources import Source
from passerelle.pharmacy.tables import (
    generic_member,
    interaction_family,
    medicine,
    medicine_substance,
    medicine_word,
    presentation,
    reference_edition,
    shortage,
)

EDITION, FOUND, SUBSTANCE, BOX, LACK, ALTERNATIVE = "edition", "found", "substance", "box", "lack", "alternative"
#: The columns of `found`.
SHOWN: Final = (
    *("cis", "name", "form", "routes", "holder", "is_marketed", "atc", "product_class", "generic_group"),
    *("is_major_interest", "conditions", "search_name", "dated", "origin", "is_short"),
)


def edition() -> CTE:
    """The edition of the list of medicines in force; no row without one."""
    return _in_force(Source.BDPM).cte(EDITION)


def _in_force(source: Source) -> Select[Any]:
    of = reference_edition.c
    return select(of.edition_id, of.dated, of.origin).where(
        of.source == source.value, of.in_force_from.is_not(None), of.in_force_until.is_(None)
    )


def one(edition: CTE) -> CTE:
    """The medicine of a code: binds `cis`, `cip13` and `cip7`, two of them null."""
    boxes = select(presentation.c.cis).where(
        presentation.c.edition_id == edition.c.edition_id,
        or_(presentation.c.cip13 == _bound("cip13"), presentation.c.cip7 == _bound("cip7")),
    )
    asked = func.coalesce(_bound("cis"), boxes.limit(1).correlate(edition).scalar_subquery())
    return _shown(edition).where(medicine.c.cis == asked).cte(FOUND)


def page(edition: CTE) -> CTE:
    """A page of a search and one row more: binds what `medicines.sought` gives, `after` and `size`."""
    after = _bound("after")
    begun = medicine.alias("begun")
    words = select(medicine_word.c.cis).where(
        medicine_word.c.edition_id == select(edition.c.edition_id).scalar_subquery(),
        medicine_word.c.word >= _bound("lead"),
        medicine_word.c.word < _bound("lead_end"),
    )
    place = (
        select(begun.c.search_name, begun.c.cis)
        .where(begun.c.edition_id == select(edition.c.edition_id).scalar_subquery(), begun.c.cis == after)
        .scalar_subquery()
    )
    number = func.row_number().over(order_by=(medicine.c.search_name, medicine.c.cis)).label("number")
    return (
        _shown(edition, number)
        .where(
            medicine.c.cis.in_(words),
            medicine.c.search_words.like(func.all(bindparam("patterns", type_=ARRAY(Text())))),
            or_(after.is_(None), tuple_(medicine.c.search_name, medicine.c.cis) > place),
        )
        .order_by(medicine.c.search_name, medicine.c.cis)
        .limit(bindparam("size", type_=Integer()))
        .cte(FOUND)
    )


def boxes(edition: CTE) -> tuple[CTE, CTE]:
    """The boxes of some codes, and their medicines: binds `cip13s`."""
    box = (
        select(presentation.c.cip13, presentation.c.cis)
        .join_from(presentation, edition, presentation.c.edition_id == edition.c.edition_id)
        .where(presentation.c.cip13 == func.any(bindparam("cip13s", type_=ARRAY(Text()))))
        .cte("asked")
    )
    return box, _shown(edition).where(medicine.c.cis.in_(select(box.c.cis))).cte(FOUND)


def families(substance: CTE) -> Any:
    """The families of the interactions in force that a row of `substance` is of, as an array in JSON; null if none."""
    return (
        select(func.jsonb_agg(interaction_family.c.family.distinct()))
        .where(
            interaction_family.c.edition_id
            == _in_force(Source.INTERACTIONS).with_only_columns(reference_edition.c.edition_id).scalar_subquery(),
            interaction_family.c.substance == func.any(substance.c.known_as),
        )
        .scalar_subquery()
    )


def belonging(edition: CTE, found: CTE) -> list[CTE]:
    """What belongs to the medicines found. `alternative` binds `most`, for each."""
    number_in_force = edition.c.edition_id
    of = [
        select(table)
        .join_from(table, edition, table.c.edition_id == number_in_force)
        .where(table.c.cis.in_(select(found.c.cis)))
        for table in (medicine_substance, presentation, shortage)
    ]
    return [each.cte(name) for each, name in zip(of, (SUBSTANCE, BOX, LACK), strict=True)]


def alternatives(edition: CTE, found: CTE) -> CTE:
    """Marketed medicines of the same generic groups, those that are not short first; binds `most`, for each."""
    own, other = generic_member.alias("own"), generic_member.alias("other")
    order = (_is_short(edition), medicine.c.search_name, medicine.c.cis)
    ranked = (
        select(
            found.c.cis.label("of_cis"),
            medicine.c.cis,
            medicine.c.name,
            medicine.c.holder,
            _is_short(edition).label("is_short"),
            func.row_number().over(partition_by=found.c.cis, order_by=order).label("number"),
        )
        .join_from(found, edition, true())
        .join(own, and_(own.c.edition_id == edition.c.edition_id, own.c.cis == found.c.cis))
        .join(other, and_(other.c.edition_id == own.c.edition_id, other.c.generic_group == own.c.generic_group))
        .join(medicine, and_(medicine.c.edition_id == other.c.edition_id, medicine.c.cis == other.c.cis))
        .where(medicine.c.is_marketed, medicine.c.cis != found.c.cis)
        .group_by(found.c.cis, edition.c.edition_id, medicine.c.edition_id, medicine.c.cis)
        .subquery()
    )
    return select(ranked).where(ranked.c.number <= bindparam("most", type_=Integer())).cte(ALTERNATIVE)


def _shown(edition: CTE, *more: Any) -> Select[Any]:
    own = [medicine.c[name] for name in SHOWN if name in medicine.c]
    return select(*own, edition.c.dated, edition.c.origin, _is_short(edition).label("is_short"), *more).join_from(
        edition, medicine, medicine.c.edition_id == edition.c.edition_id
    )


def _is_short(edition: CTE) -> Any:
    """Whether a shortage of the medicine is under way."""
    return exists().where(
        shortage.c.edition_id == edition.c.edition_id, shortage.c.cis == medicine.c.cis, shortage.c.status != "back"
    )


def _bound(name: str) -> Any:
    return bindparam(name, type_=Text())
