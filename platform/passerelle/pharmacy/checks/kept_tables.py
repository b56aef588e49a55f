"""The tables that a check reads, kept in the memory of the process by edition: they are public, and change seldom.

An edition never changes: what is kept of one is true for ever. Of each network the last few editions are kept, so that
none pushes another's out.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Generic, NamedTuple, TypeVar
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Select,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    func,
    literal,
    not_,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by

from passerelle.kernel.context import Context
from passerelle.kernel.database import Statement
from passerelle.pharmacy.checks.availability import Shortage
from passerelle.pharmacy.checks.findings import Alternative, InteractionLevel
from passerelle.pharmacy.checks.interactions import Interaction, Interactions
from passerelle.pharmacy.checks.items import Substance
from passerelle.pharmacy.reference.composition import acting
from passerelle.pharmacy.tables import (
    generic_member,
    interaction,
    interaction_family,
    medicine,
    medicine_substance,
    presentation,
    shortage,
)

#: Of one network: the one in force, and the one that it comes after.
_EDITIONS: Final = 2
_PRODUCTS: Final = 20_000
_ALTERNATIVES: Final = 10
#: Shortages after which a product cannot be had.
_GONE: Final = ("out", "stopped")
_BACK: Final = "back"

_Kept = TypeVar("_Kept")


class _ByEdition(Generic[_Kept]):
    """The editions that each network asked of last."""

    def __init__(self) -> None:
        self._held: dict[str, OrderedDict[UUID, _Kept]] = {}

    def get(self, context: Context, edition_id: UUID) -> _Kept | None:
        """What is kept of an edition."""
        own = self._held.get(context.tenant.id)
        if own is None or edition_id not in own:
            return None
        own.move_to_end(edition_id)
        return own[edition_id]

    def keep(self, context: Context, edition_id: UUID, what: _Kept) -> _Kept:
        """Keep what was read of an edition, and let the network's oldest go."""
        own = self._held.setdefault(context.tenant.id, OrderedDict())
        own[edition_id] = what
        while len(own) > _EDITIONS:
            own.popitem(last=False)
        return what


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A box as the table of medicines knows it."""

    cip13: str
    cis: str
    name: str
    atc: str | None
    substances: tuple[Substance, ...]
    generic_groups: frozenset[str]
    shortage: Shortage | None


_interactions: _ByEdition[Interactions] = _ByEdition()
_products: _ByEdition[dict[str, Product]] = _ByEdition()

_edition = bindparam("edition_id", type_=Uuid())
_INTERACTIONS = Statement(
    select(
        interaction.c.left,
        interaction.c.right,
        interaction.c.level,
        interaction.c.text,
        interaction.c.mechanism,
        interaction.c.left_label,
        interaction.c.right_label,
    ).where(interaction.c.edition_id == _edition)
)
_FAMILIES = Statement(
    select(interaction_family.c.substance, interaction_family.c.family).where(
        interaction_family.c.edition_id == _edition
    )
)


async def interactions_of(context: Context, edition_id: UUID, dated: date) -> Interactions:
    """The interactions of an edition."""
    found = _interactions.get(context, edition_id)
    if found is not None:
        return found
    given = {"edition_id": edition_id}
    pairs = await context.tenant.database.fetch(_INTERACTIONS, given)
    families = await context.tenant.database.fetch(_FAMILIES, given)
    rows = (Interaction(one, other, InteractionLevel(level), *said) for one, other, level, *said in pairs)
    read = Interactions(dated, rows, [(each[0], each[1]) for each in families])
    return _interactions.keep(context, edition_id, read)


def _short(of: Any, box: Any = None) -> ColumnElement[bool]:
    """SQL condition: a row of `shortage` is of this medicine, and of that box of it when one is named."""
    whole = shortage.c.cip13.is_(None)
    is_its_own = and_(shortage.c.edition_id == of.c.edition_id, shortage.c.cis == of.c.cis)
    return and_(is_its_own, whole if box is None else or_(whole, shortage.c.cip13 == box))


def _boxes() -> Select[Any]:
    made_of = medicine_substance.c
    part = func.json_build_array(made_of.element, made_of.link, made_of.nature, made_of.name, made_of.known_as)
    return (
        select(
            presentation.c.cip13,
            medicine.c.cis,
            medicine.c.name,
            medicine.c.atc,
            select(func.json_agg(aggregate_order_by(part, made_of.number)))
            .where(made_of.edition_id == medicine.c.edition_id, made_of.cis == medicine.c.cis)
            .scalar_subquery(),
            select(func.array_agg(generic_member.c.generic_group))
            .where(generic_member.c.edition_id == medicine.c.edition_id, generic_member.c.cis == medicine.c.cis)
            .scalar_subquery(),
            select(func.json_build_array(shortage.c.status, shortage.c.since))
            .where(_short(medicine, presentation.c.cip13))
            .order_by(shortage.c.since.desc(), shortage.c.number)
            .limit(1)
            .scalar_subquery(),
        )
        .select_from(presentation)
        .join(medicine, and_(medicine.c.edition_id == presentation.c.edition_id, medicine.c.cis == presentation.c.cis))
        .where(
            presentation.c.edition_id == _edition,
            presentation.c.cip13 == any_(bindparam("cip13s", type_=ARRAY(Text()))),
        )
    )


def _first_boxes() -> Select[Any]:
    return (
        select(presentation.c.cis, func.min(presentation.c.cip13))
        .where(presentation.c.edition_id == _edition, presentation.c.cis == any_(bindparam("cis", type_=ARRAY(Text()))))
        .group_by(presentation.c.cis)
    )


def _alternatives() -> Select[Any]:
    is_gone = select(literal(1)).where(_short(medicine), shortage.c.status.in_(_GONE)).exists()
    group = bindparam("groups", type_=ARRAY(Text()))
    return (
        select(medicine.c.cis, medicine.c.name)
        .distinct()
        .select_from(generic_member)
        .join(
            medicine,
            and_(medicine.c.edition_id == generic_member.c.edition_id, medicine.c.cis == generic_member.c.cis),
        )
        .where(
            generic_member.c.edition_id == _edition,
            generic_member.c.generic_group == any_(group),
            medicine.c.cis != bindparam("cis", type_=Text()),
            medicine.c.is_marketed,
            not_(is_gone),
        )
        .order_by(medicine.c.name, medicine.c.cis)
        .limit(_ALTERNATIVES)
    )


_BOXES, _OTHERS, _FIRST_BOXES = Statement(_boxes()), Statement(_alternatives()), Statement(_first_boxes())


async def products_of(context: Context, edition_id: UUID, cip13s: Collection[str]) -> Mapping[str, Product | None]:
    """The boxes of an edition by CIP13; none for a code that it does not know. There may be others among them."""
    kept = _products.get(context, edition_id)
    if kept is None or len(kept) > _PRODUCTS:
        kept = _products.keep(context, edition_id, {})
    missing = [each for each in dict.fromkeys(cip13s) if each not in kept]
    if not missing:
        return kept
    rows = await context.tenant.database.fetch(_BOXES, {"edition_id": edition_id, "cip13s": missing})
    found = {row[0]: await _product(context, edition_id, *row) for row in rows}
    kept |= found  # a code that is nobody's is looked for again: anybody could send any number of them
    return {**kept, **dict.fromkeys(missing), **found}


async def boxes_of(context: Context, edition_id: UUID, cis: Collection[str]) -> Mapping[str, str]:
    """A box of each of these medicines, by CIS: the CIP13 by which `products_of` finds it."""
    if not cis:
        return {}
    rows = await context.tenant.database.fetch(_FIRST_BOXES, {"edition_id": edition_id, "cis": sorted(cis)})
    return {row[0]: row[1] for row in rows}


async def _product(
    context: Context,
    edition_id: UUID,
    cip13: str,
    cis: str,
    name: str,
    atc: str | None,
    parts: Sequence[Sequence[Any]] | None,
    groups: Sequence[str] | None,
    short: tuple[str, str] | None,
) -> Product:
    return Product(
        cip13=cip13,
        cis=cis,
        name=name,
        atc=atc,
        substances=_substances(parts or ()),
        generic_groups=frozenset(groups or ()),
        shortage=await _shortage(context, edition_id, cis, groups or (), *short) if short else None,
    )


async def _shortage(
    context: Context, edition_id: UUID, cis: str, groups: Sequence[str], status: str, since: str
) -> Shortage | None:
    if status == _BACK:
        return None
    others = await context.tenant.database.fetch(
        _OTHERS, {"edition_id": edition_id, "cis": cis, "groups": list(groups)}
    )
    alternatives = tuple(Alternative(*each) for each in others)
    return Shortage(status=status, since=date.fromisoformat(since), alternatives=alternatives)


class _Part(NamedTuple):
    """A line of a composition."""

    element: str
    link: int
    nature: str
    name: str
    known_as: list[str]


def _substances(parts: Sequence[Sequence[Any]]) -> tuple[Substance, ...]:
    found = acting(_Part(*each) for each in parts)
    return tuple(Substance(each.line.name, each.known_as) for each in found)
