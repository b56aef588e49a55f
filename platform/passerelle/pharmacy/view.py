"""The view of a pharmacy record: one page of what was dispensed, the time line, the vaccines and the devices.

Readers are those of the matrix (kind dispensation): a pharmacist before the patient, who cares for him in a health
establishment, the patient. One SQL statement decides, journals and gathers; whatever it counts lies in the windows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import CTE, ColumnElement, Integer, Select, Uuid, bindparam, func, select

from passerelle.audit.transactions import Act
from passerelle.dossier import reading
from passerelle.dossier.judging import Judged
from passerelle.identities import civil_status
from passerelle.kernel import messages
from passerelle.kernel.clock import legal_day
from passerelle.kernel.context import Context
from passerelle.pharmacy import access, history, timeline
from passerelle.pharmacy.calendar import Calendar, calendar_on
from passerelle.pharmacy.product_classes import ProductClass
from passerelle.pharmacy.timeline import SubstanceLine
from passerelle.pharmacy.vaccines import Doses, VaccineDue, vaccines_due
from passerelle.pharmacy.windows import windows
from passerelle_policies.vocabulary import Action, Kind

_SIZE = bindparam("page_size", type_=Integer())
#: What a vaccine counts for, against the calendar.
_DOSES = ("atc", "dispensed_on", "quantity")


@dataclass(frozen=True, slots=True, kw_only=True)
class VaccinesTold:
    """What is due, by which calendar, and what cannot be told, in French."""

    calendar: Calendar | None
    due: Sequence[VaccineDue]
    not_told: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PharmacyView:
    """What the record shows at once. Rows are mappings with the names of `history.COLUMNS`, newest first."""

    lines: Sequence[Mapping[str, Any]]
    has_next: bool
    timeline: Sequence[SubstanceLine]
    vaccines: Sequence[Mapping[str, Any]]
    vaccines_told: VaccinesTold
    devices: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Selectables:
    """The rows of a view, out of the lines that may be seen."""

    patient_id: ColumnElement[UUID]
    lines: CTE

    def page(self) -> Select[Any]:
        """A page of lines and one more."""
        return history.page(self.lines, limit=_SIZE + 1)

    def spans(self) -> Select[Any]:
        """Every span of the time line."""
        return timeline.spans(self.lines)

    def newest(self, product_class: ProductClass) -> Select[Any]:
        """The newest lines of one class."""
        return history.of_class(self.lines, product_class, limit=_SIZE)

    def doses(self) -> Select[Any]:
        """Every vaccine, as `vaccines_told` wants it."""
        columns = (self.lines.c[name] for name in _DOSES)
        return select(*columns).where(self.lines.c.product_class == ProductClass.VACCINE.value)

    def birth_date(self) -> ColumnElement[Any]:
        """The patient's birth date, as given."""
        return civil_status.birth_date_of(self.patient_id)


@dataclass(frozen=True, slots=True)
class ViewRead:
    """A view being read in one statement; bind values in `view_parameters`."""

    judged: Judged
    rows: Selectables


def view_read() -> ViewRead:
    """`read_view` as selectables."""
    judged = access.judged(Kind.DISPENSATION)
    lines = history.shown_lines(judged.patient_id, judged.is_allowed()).cte("shown_line")
    return ViewRead(judged, Selectables(judged.patient_id, lines))


def view_parameters(context: Context, patient_id: UUID, *, first: int | None, after: str | None) -> dict[str, Any]:
    """Every bind value of `view_read`. Refused: PAGE_SIZE_INVALID, CURSOR_INVALID."""
    return {
        **access.parameters(context, Kind.DISPENSATION, patient_id),
        **_rows_parameters(context, reading.page_size(context, first), after),
    }


async def read_view(act: Act, patient_id: UUID, *, first: int | None = None, after: str | None = None) -> PharmacyView:
    """Read what was dispensed to a patient, journalled. Refused: ACCESS_REFUSED alike for who has no record here,
    PAGE_SIZE_INVALID, CURSOR_INVALID."""
    size = reading.page_size(act.context, first)
    given = {"patient_id": patient_id, **_rows_parameters(act.context, size, after)}
    await access.require(act, patient_id, Kind.DISPENSATION, Action.READ)

    async def rows(asked: Select[Any]) -> list[dict[str, Any]]:
        return [dict(each) for each in (await act.connection.execute(asked, given)).mappings()]

    page = await rows(_ROWS.page())
    doses = [(each["atc"], each["dispensed_on"], each["quantity"]) for each in await rows(_ROWS.doses())]
    born = (await act.connection.execute(select(_ROWS.birth_date()), given)).scalar_one()
    return PharmacyView(
        lines=page[:size],
        has_next=len(page) > size,
        timeline=timeline.by_substance(await rows(_ROWS.spans()), size=size),
        vaccines=await rows(_ROWS.newest(ProductClass.VACCINE)),
        vaccines_told=vaccines_told(legal_day(act.context.clock), born, doses),
        devices=await rows(_ROWS.newest(ProductClass.DEVICE)),
    )


def vaccines_told(on: date, born: str | None, doses: Sequence[tuple[str | None, date, float]]) -> VaccinesTold:
    """What is due to someone born then (HL7), on a day, after these doses: ATC code, day and quantity of each."""
    calendar, birth = calendar_on(on), civil_status.first_day(born or "")
    if calendar is None:
        return VaccinesTold(calendar=None, due=(), not_told=(messages.sentence("VACCINES_WITHOUT_CALENDAR", {}),))
    if birth is None:
        missing = messages.sentence("VACCINES_WITHOUT_BIRTH_DATE", {})
        return VaccinesTold(calendar=calendar, due=(), not_told=(missing, *calendar.not_told))
    since = min(each.since for each in windows(on) if each.product_class is ProductClass.VACCINE)
    dispensed = [Doses(atc=atc, on=day, count=max(1, int(quantity))) for atc, day, quantity in doses]
    due = vaccines_due(calendar, birth, dispensed, on=on, since=since)
    return VaccinesTold(calendar=calendar, due=due, not_told=calendar.not_told)


def _rows_parameters(context: Context, size: int, after: str | None) -> dict[str, Any]:
    place = history.read_cursor(after) if after else None
    return {**history.lines_parameters(context), **history.place_parameters(place), "page_size": size}


def _rows() -> Selectables:
    patient_id = bindparam("patient_id", type_=Uuid())
    return Selectables(patient_id, history.shown_lines(patient_id).cte("shown_line"))


_ROWS = _rows()


def doses_as_json(doses: CTE) -> ColumnElement[Any]:
    """Every vaccine in one JSON array of arrays, for a body to carry."""
    told = func.json_agg(func.json_build_array(*doses.c))
    return select(func.coalesce(told, func.json_build_array())).select_from(doses).scalar_subquery()
