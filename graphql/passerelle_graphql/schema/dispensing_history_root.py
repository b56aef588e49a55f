"""`dispensingHistory` by one statement: how what `dispensing_history` declares is written by the database."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import cache
from typing import Any

from sqlalchemy import Integer, Uuid, bindparam, case, func, select

from passerelle.kernel.clock import legal_day
from passerelle.kernel.context import Context
from passerelle.pharmacy import access, history, timeline, view
from passerelle.pharmacy.product_classes import ProductClass
from passerelle_graphql.compiler import shapes
from passerelle_graphql.compiler.building import Builder, Shape, entity, later, leaf, listed, needing, row_of
from passerelle_graphql.compiler.late import Late
from passerelle_graphql.compiler.rendering import written
from passerelle_graphql.compiler.roots import Frame, Given, ReadRoot, given
from passerelle_graphql.compiler.selections import Selected
from passerelle_graphql.compiler.shapes import Sql
from passerelle_graphql.context import Asked
from passerelle_graphql.declared import fields_of
from passerelle_graphql.ids import Node, key_of
from passerelle_graphql.schema.dispensing_history import (
    DispensedLine,
    TreatmentSpan,
    calendar_of,
    due_of,
    windows_of,
)
from passerelle_policies.vocabulary import Kind

_PAGE, _SPAN, _VACCINE, _DEVICE, _DOSE, _BIRTH = "page", "span", "vaccine", "device", "dose", "birth"
_SIZE = "(select size from given)"
_ROW = row_of(_PAGE, (*history.COLUMNS, "place"))
_ON_PAGE = Sql(f"{_PAGE} where {_ROW['place']} <= {_SIZE}")
# `history.cursor_of`.
_PLACE = f"int4send({_ROW['dispensed_on']} - date '1970-01-01') || uuid_send({_ROW['dispensation_id']})"
_CURSOR = Sql(f"translate(encode({_PLACE} || int4send({_ROW['number']}), 'base64'), '+/', '-_')")


def _end(order: str) -> Shape:
    return leaf(shapes.quoted(Sql(f"(select {_CURSOR} from {_ON_PAGE} order by {_ROW['place']} {order} limit 1)")))


def _lines_of(part: str) -> Shape:
    """The newest lines of one class."""
    row = row_of(part, history.COLUMNS)
    order = ", ".join(f"{row[each]} desc" for each in ("dispensed_on", "dispensation_id", "number"))
    return needing(part, listed("DispensedLine", fields_of(DispensedLine, row), Sql(part), Sql(order)))


def _told(
    type_name: str,
    field: str,
    make: Callable[[Context, Sequence[Any]], object],
    *columns: Sql,
    needs: Sequence[str] = (),
) -> Shape:
    """A field of `type_name` that is made of the day of the request, and of columns."""

    def late(builder: Builder, selected: Selected) -> Late:
        builder.needs.update(needs)
        type_ = builder.type_of(type_name).fields[field].type

        def write(context: Context, values: Sequence[Any], _found: Mapping[str, Any]) -> bytes:
            return written(builder.selections, type_, selected, make(context, values))

        return Late(write=write)

    return later(late, *columns)


def _vaccines(context: Context, values: Sequence[Any]) -> view.VaccinesTold:
    born, doses = values
    read = [(atc, date.fromisoformat(on), quantity) for atc, on, quantity in doses]
    return view.vaccines_told(legal_day(context.clock), born, read)


_GIVEN_DOSES = (Sql(f"(select born from {_BIRTH})"), Sql(f"(select doses from {_DOSE})"))


def _vaccines_told(field: str, make: Callable[[view.VaccinesTold], object]) -> Shape:
    return _told(
        "VaccineHistory",
        field,
        lambda context, values: make(_vaccines(context, values)),
        *_GIVEN_DOSES,
        needs=(_BIRTH, _DOSE),
    )


_SUBSTANCE = row_of("substance_line", ("substance", "is_resolved", "dispensings", "first_on", "last_on", "lasts_until"))


def _day(column: Sql) -> Shape:
    return leaf(shapes.quoted(Sql(f"({column})::text")))


def _timeline(builder: Builder, selected: Selected) -> Sql:
    """Each substance with its spans: these are put together once, by the grouping itself."""
    span = row_of(_SPAN, timeline.SPAN)
    columns: list[str] = []

    def spans(inner: Builder, asked: Selected) -> Sql:
        shown = inner.object("TreatmentSpan", fields_of(TreatmentSpan, span), asked)
        on_page = f"filter (where {span['place']} <= {_SIZE})"
        columns.append(f"string_agg({shown}, ',' order by {span['place']}) {on_page} as spans_{len(columns)}")
        return Sql(f"'[' || substance_line.spans_{len(columns) - 1} || ']'")

    fields: dict[str, Shape] = {
        "substance": leaf(shapes.free_text(_SUBSTANCE["substance"])),
        "resolved": leaf(shapes.plain(_SUBSTANCE["is_resolved"])),
        "dispensings": leaf(shapes.plain(_SUBSTANCE["dispensings"])),
        "firstOn": _day(_SUBSTANCE["first_on"]),
        "lastOn": _day(_SUBSTANCE["last_on"]),
        "lastsUntil": _day(_SUBSTANCE["lasts_until"]),
        "spans": spans,
    }
    shown = builder.object("SubstanceTimeline", fields, selected)
    grouped = [
        "substance",
        "is_resolved",
        "count(*) as dispensings",
        "min(dispensed_on) as first_on",
        "max(dispensed_on) as last_on",
        "max(lasts_until) as lasts_until",
        *columns,
    ]
    latest = f"select {', '.join(grouped)} from {_SPAN} group by substance, is_resolved"
    order = 'last_on desc, substance collate "C", is_resolved'
    rows = f"({latest} order by {order} limit {_SIZE}) as substance_line"
    return Sql(f"'[' || coalesce((select string_agg({shown}, ',' order by {order}) from {rows}), '') || ']'")


@cache
def _frame(needs: frozenset[str]) -> Frame:
    it = view.view_read()
    verdict, rows = it.judged.verdict, it.rows
    also = [it.judged.journal_line, given(size=bindparam("page_size", type_=Integer()), is_first=_is_first())]
    if _PAGE in needs:
        page = rows.page().subquery("found")
        newest_first = (page.c.dispensed_on.desc(), page.c.dispensation_id.desc(), page.c.number.desc())
        also.append(select(page, func.row_number().over(order_by=newest_first).label("place")).cte(_PAGE))
    if _SPAN in needs:
        also.append(rows.spans().cte(_SPAN))
    for part, product_class in ((_VACCINE, ProductClass.VACCINE), (_DEVICE, ProductClass.DEVICE)):
        if part in needs:
            also.append(rows.newest(product_class).cte(part))
    if _DOSE in needs:
        also.append(select(view.doses_as_json(rows.doses().cte("each_dose")).label("doses")).cte(_DOSE))
    if _BIRTH in needs:
        also.append(select(rows.birth_date().label("born")).where(it.judged.is_allowed()).cte(_BIRTH))
    return Frame(
        lambda body: select(
            case((verdict.c.allowed, body)).label("body"), it.judged.told_of_refusal().label("refused")
        ).select_from(verdict),
        also,
    )


def _is_first() -> Any:
    return bindparam("after_id", type_=Uuid()).is_(None)


def _parameters(asked: Asked, arguments: Given) -> Mapping[str, Any]:
    told = arguments.root
    key = key_of(Node.PATIENT, told["patient_id"])
    values = view.view_parameters(asked.context, key, first=told.get("first"), after=told.get("after"))
    return {**values, "gateway_path": asked.path}


def _refused(asked: Asked, told: Mapping[str, Any]) -> object:
    raise access.refusal(asked.context, Kind.DISPENSATION, told)


_NODE = fields_of(DispensedLine, _ROW)
DISPENSING_HISTORY = ReadRoot(
    name="dispensingHistory",
    shows="DispensingHistory",
    fields={
        "edges": needing(
            _PAGE,
            listed(
                "DispensedLineEdge",
                {"cursor": leaf(shapes.quoted(_CURSOR)), "node": entity("DispensedLine", _NODE)},
                _ON_PAGE,
                _ROW["place"],
            ),
        ),
        "nodes": needing(_PAGE, listed("DispensedLine", _NODE, _ON_PAGE, _ROW["place"])),
        "pageInfo": needing(
            _PAGE,
            entity(
                "PageInfo",
                {
                    "hasNextPage": leaf(
                        shapes.plain(Sql(f"exists (select from {_PAGE} where {_ROW['place']} > {_SIZE})"))
                    ),
                    "hasPreviousPage": leaf(shapes.plain(Sql("select not is_first from given"))),
                    "startCursor": _end("asc"),
                    "endCursor": _end("desc"),
                },
            ),
        ),
        "windows": _told("DispensingHistory", "windows", lambda context, _values: windows_of(context)),
        "timeline": needing(_SPAN, _timeline),
        "vaccines": entity(
            "VaccineHistory",
            {
                "dispensed": _lines_of(_VACCINE),
                "due": _vaccines_told("due", due_of),
                "calendar": _vaccines_told("calendar", lambda told: calendar_of(told.calendar)),
                "notTold": _vaccines_told("notTold", lambda told: list(told.not_told)),
            },
        ),
        "devices": _lines_of(_DEVICE),
    },
    frame=_frame,
    parameters=_parameters,
    otherwise=_refused,
)
