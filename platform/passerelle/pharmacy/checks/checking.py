"""Checking what is about to be dispensed: one question, with the whole basket.

It is a reading of the history, journalled as such (`check`). Whoever may not read it still learns what the basket and
the public tables say, and that nothing else was checked. Sources: CSP, art. R.4235-48 (what a pharmacist analyses
before he dispenses), L.1111-23.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Integer, Select, bindparam, func, literal, select

from passerelle.dossier import access
from passerelle.dossier.judging import Judged
from passerelle.dossier.recorded_allergies import RecordedAllergies, recorded_allergies
from passerelle.kernel.clock import legal_day
from passerelle.kernel.context import Context
from passerelle.kernel.database import Statement
from passerelle.kernel.errors import InvalidInput, LimitExceeded
from passerelle.pharmacy import access as pharmacy_access
from passerelle.pharmacy import history
from passerelle.pharmacy.checks import kept_overrides
from passerelle.pharmacy.checks.coded_allergies import allergens
from passerelle.pharmacy.checks.comparison import Compared, Ground, compare
from passerelle.pharmacy.checks.findings import Finding, NotChecked, Override, Source, TableName, Unchecked
from passerelle.pharmacy.checks.items import Dispensed, Item, Substance, still_taken
from passerelle.pharmacy.checks.kept_tables import Product, interactions_of, products_of
from passerelle.pharmacy.checks.repeats import Repetition
from passerelle.pharmacy.product_classes import ProductClass
from passerelle.pharmacy.reference.cip import is_cip13, said_code
from passerelle.pharmacy.reference.names import folded, known_as
from passerelle.pharmacy.reference.sources import Source as Tables
from passerelle.pharmacy.tables import check_override, reference_edition
from passerelle_policies.decision import DOSSIER_NOT_OPEN
from passerelle_policies.vocabulary import Action, Kind

_NO_PRODUCTS: Final[Mapping[str, Product | None]] = {}
_LINE = ("dispensed_on", "label", "cip13", "cis", "substances", "atc", "days")
_LABEL_SIGNS: Final = 200


@dataclass(frozen=True, slots=True)
class BasketLine:
    """What is about to be dispensed: a CIP13, or the name of what has none."""

    cip13: str | None = None
    label: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What a basket was held against: a table and its date, or how many lines and documents were read."""

    table: TableName
    dated: date | None = None
    count: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checks:
    """The answer: findings, the heaviest first."""

    findings: tuple[Finding, ...]
    not_checked: tuple[NotChecked, ...]
    checked_against: tuple[Looked, ...]


@dataclass(frozen=True, slots=True)
class Gathering:
    """The statement of a check, as selectables. `told` is what `checks_of` needs, in JSON."""

    judged: Judged
    told: ColumnElement[Any]


def gathering() -> Gathering:
    """Facts, verdict and journal line of a check, with the history that the actor may see and the editions in force."""
    it = pharmacy_access.judged(Kind.DISPENSATION, action=Action.CHECK)
    shown = history.shown_lines(it.patient_id, it.is_allowed()).cte("shown")
    newest = (
        history.newest(shown, limit=bindparam("checks_lines", type_=Integer()))
        .where(shown.c.product_class != ProductClass.DEVICE.value)
        .subquery("newest")
    )
    lines = select(func.json_agg(func.json_build_array(*(newest.c[each] for each in _LINE)))).scalar_subquery()
    overridden = func.json_build_array(*(check_override.c[each] for each in ("finding", "reason", "by_name", "at")))
    overrides = (
        select(func.json_agg(overridden)).where(kept_overrides.recent(it.patient_id), it.is_allowed()).scalar_subquery()
    )
    in_force = func.json_object_agg(
        reference_edition.c.source, func.json_build_array(reference_edition.c.edition_id, reference_edition.c.dated)
    )
    editions = (
        select(in_force)
        .where(reference_edition.c.in_force_from.is_not(None), reference_edition.c.in_force_until.is_(None))
        .scalar_subquery()
    )
    told = func.json_build_object(
        *(literal("refused"), it.told_of_refusal()),
        *(literal("lines"), lines),
        *(literal("overrides"), overrides),
        *(literal("editions"), editions),
    )
    return Gathering(it, told)


def _gathered() -> Select[Any]:
    it = gathering()
    return select(it.told.label("told")).select_from(it.judged.verdict).add_cte(it.judged.journal_line)


_GATHERED = Statement(_gathered())


def parameters(context: Context, patient_id: UUID, basket: Sequence[BasketLine]) -> dict[str, Any]:
    """Values for the bind parameters of `gathering`. Refused: what `must_be_a_basket` refuses."""
    must_be_a_basket(context, basket)
    return {
        **pharmacy_access.parameters(context, Kind.DISPENSATION, patient_id, action=Action.CHECK),
        **history.lines_parameters(context),
        "checks_lines": access.number(context, "checks.history_lines_max") + 1,
        **kept_overrides.parameters(context),
    }


def must_be_a_basket(context: Context, basket: Sequence[BasketLine]) -> None:
    """Refused: CHECK_BASKET_EMPTY, CHECK_BASKET_TOO_LONG, CHECK_PRODUCT_UNNAMED, CIP_INVALID, VALUE_TOO_LONG."""
    most = access.number(context, "checks.basket_max")
    if not basket:
        raise InvalidInput("CHECK_BASKET_EMPTY")
    if len(basket) > most:
        raise LimitExceeded("CHECK_BASKET_TOO_LONG", limit=most)
    for each in basket:
        if each.cip13 is not None and not is_cip13(each.cip13):
            raise InvalidInput("CIP_INVALID")
        if each.cip13 is None and not (each.label or "").strip():
            raise InvalidInput("CHECK_PRODUCT_UNNAMED")
        if len(each.label or "") > _LABEL_SIGNS:
            raise LimitExceeded("VALUE_TOO_LONG", field="label", limit=_LABEL_SIGNS)


async def check(context: Context, patient_id: UUID, basket: Sequence[BasketLine]) -> Checks:
    """Hold a basket against itself, the history that the actor may see, the allergies he may know of, and the tables.

    Refused: what `parameters` refuses. A history that he may not read is said in `not_checked`.
    """
    given = parameters(context, patient_id, basket)
    ((told,),) = await context.tenant.database.fetch(_GATHERED, given)
    return await checks_of(context, patient_id, basket, told)


async def checks_of(
    context: Context, patient_id: UUID, basket: Sequence[BasketLine], told: Mapping[str, Any]
) -> Checks:
    """The answer, out of what the statement of `gathering` told."""
    editions: Mapping[str, tuple[str, str]] = told["editions"] or {}
    recorded = await recorded_allergies(context, patient_id)
    protocols = (
        frozenset[str]() if told["refused"] else await context.treatment_protocols.substances(context, patient_id)
    )
    lines = told["lines"] or ()
    most = access.number(context, "checks.history_lines_max")
    today = legal_day(context.clock)
    taken = still_taken(_dispensed(lines[:most]), today, access.number(context, "checks.assumed_treatment_days"))
    medicines, products, listed = None, _NO_PRODUCTS, None
    if Tables.BDPM in editions:
        edition_id, dated = editions[Tables.BDPM]
        listed = UUID(edition_id)
        medicines = Source(TableName.MEDICINES, date.fromisoformat(dated))
        codes = [each.cip13 for each in basket if each.cip13] + [line.cip13 for line, _ in taken if line.cip13]
        products = await products_of(context, listed, codes)
    interactions = None
    if Tables.INTERACTIONS in editions:
        edition_id, dated = editions[Tables.INTERACTIONS]
        interactions = await interactions_of(context, UUID(edition_id), date.fromisoformat(dated))
    items = [_about_to_be_taken(place, each, products) for place, each in enumerate(basket)]
    ground = Ground(
        today=today,
        repetition=Repetition(
            atc_level=access.number(context, "checks.class_atc_level"),
            tolerance_days=access.number(context, "checks.renewal_tolerance_days"),
        ),
        taken=[_taken(line, ends, products) for line, ends in taken],
        allergens=await allergens(context, recorded, listed),
        protocols=protocols,
        interactions=interactions,
        medicines=medicines,
        shortages=[
            (item, product.shortage)
            for item in items
            if (product := products.get(item.cip13 or "")) is not None and product.shortage is not None
        ],
    )
    tables = [each for each in (medicines, interactions.source if interactions is not None else None) if each]
    checked_against = [*(Looked(table=each.table, dated=each.dated) for each in tables)]
    if not told["refused"]:
        checked_against.append(Looked(table=TableName.HISTORY, count=min(len(lines), most)))
    checked_against.append(Looked(table=TableName.DOCUMENTS, count=recorded.documents))
    unread = (*_unread_history(context, told, len(lines) > most, most), *_unread_allergies(recorded))
    return _answered(compare(items, ground), unread, told["overrides"] or (), checked_against)


def _answered(
    compared: Compared,
    unread: Sequence[NotChecked],
    overrides: Sequence[Sequence[str]],
    checked_against: Sequence[Looked],
) -> Checks:
    standing: dict[str, Override] = {}
    for key, reason, by, at in sorted(overrides, key=lambda each: each[3]):
        standing[key] = Override(reason=reason, by=by, at=datetime.fromisoformat(at))
    found = compared.findings
    if standing:
        found = tuple(each._replace(override=standing.get(each.key)) for each in found)
    return Checks(
        findings=found,
        not_checked=(*unread, *compared.not_checked),
        checked_against=tuple(checked_against),
    )


def _dispensed(lines: Sequence[list[Any]]) -> Sequence[list[Any]]:
    """The lines of a history, their days read where they stand: it is long, its days are few."""
    days = {on: date.fromisoformat(on) for on in {each[0] for each in lines}}
    for each in lines:
        each[0] = days[each[0]]
    return lines


def _about_to_be_taken(place: int, line: BasketLine, products: Mapping[str, Product | None]) -> Item:
    known = products.get(line.cip13) if line.cip13 is not None else None
    if known is None:
        label = (line.label or "").strip() or said_code(line.cip13 or "")
        return Item(label=label, cip13=line.cip13, place=place, is_known=False)
    return Item(
        label=known.name,
        cip13=known.cip13,
        cis=known.cis,
        substances=known.substances,
        atc=known.atc,
        generic_groups=known.generic_groups,
        place=place,
    )


def _taken(line: Dispensed, ends_on: date | None, products: Mapping[str, Product | None]) -> Item:
    """What the table of today does not know is what the table of its day said."""
    known = products.get(line.cip13) if line.cip13 is not None else None
    return Item(
        label=line.label,
        cip13=line.cip13,
        cis=known.cis if known is not None else line.cis,
        substances=known.substances if known is not None else tuple(_named(each) for each in line.substances),
        atc=known.atc if known is not None else line.atc,
        generic_groups=known.generic_groups if known is not None else frozenset(),
        dispensed_on=line.dispensed_on,
        ends_on=ends_on,
        is_known=known is not None or bool(line.substances),
    )


@lru_cache(maxsize=5_000)
def _named(name: str) -> Substance:
    return Substance(name, frozenset({folded(name), *known_as([name])}))


def _unread_history(context: Context, told: Mapping[str, Any], is_cut: bool, most: int) -> Iterator[NotChecked]:
    if told["refused"]:
        refusal = pharmacy_access.refusal(context, Kind.DISPENSATION, told["refused"], action=Action.CHECK)
        is_closed = refusal.code == DOSSIER_NOT_OPEN
        yield NotChecked(Unchecked.NO_RECORD if is_closed else Unchecked.HISTORY_OUT_OF_REACH)
    elif is_cut:
        yield NotChecked(Unchecked.HISTORY_CUT, said=(("limit", most),))


def _unread_allergies(recorded: RecordedAllergies) -> Iterator[NotChecked]:
    if not recorded.is_reachable and not recorded.documents:
        yield NotChecked(Unchecked.ALLERGIES_OUT_OF_REACH)
    if recorded.unreadable:
        yield NotChecked(Unchecked.ALLERGIES_UNREADABLE)
    if recorded.away:
        yield NotChecked(Unchecked.ALLERGIES_AWAY)
