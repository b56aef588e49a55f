"""`dispensingHistory`: what was dispensed to a patient, within its windows, as whoever may see it reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, TypeAlias

import strawberry

from passerelle.audit.transactions import transaction
from passerelle.kernel.clock import legal_day
from passerelle.kernel.context import Context
from passerelle.pharmacy import history, view
from passerelle.pharmacy.calendar import Calendar
from passerelle.pharmacy.timeline import SubstanceLine
from passerelle.pharmacy.windows import FOREVER, windows
from passerelle_graphql.compiler.building import Shape, leaf
from passerelle_graphql.compiler.shapes import Sql
from passerelle_graphql.context import ResolverInfo, context_of
from passerelle_graphql.fields import counted, resolved
from passerelle_graphql.ids import Node, key_of
from passerelle_graphql.problems import InvalidInput, Refusal, TryLater
from passerelle_graphql.read_model import in_sql, shape, shown
from passerelle_graphql.schema.enums import ProductClass, VaccineStatus
from passerelle_graphql.schema.values import PageInfo, day, identified


def _quantity_in_sql(column: Sql) -> Shape:
    number = f"{column}::float8"  # as Python rounds it, and writes it but for whole numbers
    return leaf(Sql(f"case when {number} = trunc({number}) then {number} || '.0' else {number}::text end"))


@in_sql(_quantity_in_sql)
def quantity(value: Decimal) -> float:
    """A quantity as JSON has it: a number with a point."""
    return float(value)


@strawberry.type(description="Un produit dispensé.")
class DispensedLine:
    dispensation_id: strawberry.ID = shown(by=identified(Node.DISPENSATION))
    number: int = shown(description="Sa place dans la dispensation.")
    product_class: ProductClass = shown()
    cip13: str | None = shown()
    cis: str | None = shown()
    label: str = shown()
    substances: list[str] = shown(description="Ses substances, telles que la table du jour les nommait.")
    atc: str | None = shown()
    quantity: float = shown(by=quantity)
    dose_text: str | None = shown(description="La posologie, telle qu'écrite.")
    days: int | None = shown(description="Pour combien de jours, quand c'est connu.")
    batch: str | None = shown()
    prescribed: bool = shown("is_prescribed")
    dispensed_on: date = shown(by=day)
    prescription_number: str | None = shown(description="De l'ordonnance à laquelle elle répond.")
    prescribed_on: date | None = shown(by=day)
    prescriber: str | None = shown(description="Dit à la pharmacie qui a dispensé, et à la personne elle-même.")
    dispensed_here: bool = shown(description="Par la pharmacie d'où vous agissez.")
    network: str | None = shown(description="L'autre réseau où cela a été dispensé ; absent : celui-ci.")


@strawberry.type
class DispensedLineEdge:
    cursor: str
    node: DispensedLine


@strawberry.type(description="Depuis quel jour les produits d'une classe se consultent.")
class DispensingWindow:
    product_class: ProductClass
    since: date
    until: date | None = strawberry.field(description="Jour exclu ; absent : jusqu'à aujourd'hui.")


@strawberry.type(description="Une dispensation d'une substance, au regard de celles d'avant.")
class TreatmentSpan:
    dispensation_id: strawberry.ID = shown(by=identified(Node.DISPENSATION))
    line_number: int = shown()
    label: str = shown()
    dispensed_on: date = shown(by=day)
    lasts_until: date | None = shown(by=day, description="Le premier jour qu'elle ne couvre plus ; absent : inconnu.")
    gap_days: int | None = shown(description="Jours sans traitement avant elle ; absent : cela ne peut être dit.")
    overlap_days: int | None = shown(description="Ses jours déjà couverts avant elle ; absent : cela ne peut être dit.")


@strawberry.type(description="Une substance dans le temps ; ses dispensations de la plus récente à la plus ancienne.")
class SubstanceTimeline:
    substance: str
    resolved: bool = strawberry.field(description="Faux : substance inconnue, le libellé du produit en tient lieu.")
    dispensings: int = strawberry.field(description="Combien, parmi ce qui se consulte.")
    first_on: date
    last_on: date
    lasts_until: date | None
    spans: list[TreatmentSpan] = strawberry.field(directives=[counted(12)], description="Une page au plus.")


@strawberry.type(description="Une vaccination du calendrier, au regard de ce qui a été dispensé.")
class VaccineDue:
    code: str
    label: str
    status: VaccineStatus
    on: date | None = strawberry.field(description="Depuis quand, ou quand, elle est due.")
    last_dispensed_on: date | None


@strawberry.type(description="Le calendrier des vaccinations dont on se sert.")
class VaccinationCalendar:
    edition: str
    effective: date
    source: str
    read: str = strawberry.field(description="Comment il a été lu.")


@strawberry.type(description="Les vaccins dispensés, et ce qui est dû : à vérifier avec la personne.")
class VaccineHistory:
    dispensed: list[DispensedLine] = strawberry.field(
        directives=[counted(20)], description="Du plus récent au plus ancien, une page au plus."
    )
    due: list[VaccineDue] = strawberry.field(directives=[counted(10)])
    calendar: VaccinationCalendar | None
    not_told: list[str] = strawberry.field(description="Ce qui ne peut être dit.")


@strawberry.type(
    description="Ce qui a été dispensé, du plus récent au plus ancien. Rien n'y compte ce qui a quitté sa fenêtre."
)
class DispensingHistory:
    edges: list[DispensedLineEdge]
    page_info: PageInfo
    windows: list[DispensingWindow]
    timeline: list[SubstanceTimeline] = strawberry.field(
        description="Par substance, de la dernière dispensée à la première ; une page au plus."
    )
    vaccines: VaccineHistory
    devices: list[DispensedLine] = strawberry.field(
        directives=[counted(20)], description="Les dispositifs implantables, une page au plus."
    )

    @strawberry.field
    def nodes(self) -> list[DispensedLine]:
        return [each.node for each in self.edges]


DispensingHistoryResult: TypeAlias = Annotated[
    DispensingHistory | Refusal | InvalidInput | TryLater, strawberry.union("DispensingHistoryResult")
]


@strawberry.type
class DispensingHistoryQuery:
    @resolved(
        "Ce qui a été dispensé à un patient : pour le pharmacien devant qui il se trouve, pour qui le prend en charge "
        "dans un établissement de santé, pour lui-même.",
        cost=10,
        counts=counted(50, by="first", within=("edges", "nodes", "timeline")),
    )
    async def dispensing_history(
        self, info: ResolverInfo, patient_id: strawberry.ID, first: int | None = None, after: str | None = None
    ) -> DispensingHistoryResult:
        context, key = context_of(info), key_of(Node.PATIENT, patient_id)
        async with transaction(context) as act:
            read = await view.read_view(act, key, first=first, after=after)
        edges = [DispensedLineEdge(cursor=history.cursor_of(each), node=line(each)) for each in read.lines]
        return DispensingHistory(
            edges=edges,
            page_info=PageInfo(
                has_next_page=read.has_next,
                has_previous_page=bool(after),
                start_cursor=edges[0].cursor if edges else None,
                end_cursor=edges[-1].cursor if edges else None,
            ),
            windows=windows_of(context),
            timeline=[timeline_of(each) for each in read.timeline],
            vaccines=VaccineHistory(
                dispensed=[line(each) for each in read.vaccines],
                due=due_of(read.vaccines_told),
                calendar=calendar_of(read.vaccines_told.calendar),
                not_told=list(read.vaccines_told.not_told),
            ),
            devices=[line(each) for each in read.devices],
        )


def line(row: Mapping[str, Any]) -> DispensedLine:
    """One line of `history.shown_lines`."""
    return shape(DispensedLine, row)


def windows_of(context: Context) -> list[DispensingWindow]:
    """What may be seen on the day of the request."""
    return [
        DispensingWindow(
            product_class=each.product_class, since=each.since, until=None if each.until == FOREVER else each.until
        )
        for each in windows(legal_day(context.clock))
    ]


def timeline_of(told: SubstanceLine) -> SubstanceTimeline:
    """One substance on the time line."""
    return SubstanceTimeline(
        substance=told.substance,
        resolved=told.is_resolved,
        dispensings=told.dispensings,
        first_on=told.first_on,
        last_on=told.last_on,
        lasts_until=told.lasts_until,
        spans=[shape(TreatmentSpan, each) for each in told.spans],
    )


def due_of(told: view.VaccinesTold) -> list[VaccineDue]:
    """What the calendar asks for."""
    return [VaccineDue(**asdict(each)) for each in told.due]


def calendar_of(calendar: Calendar | None) -> VaccinationCalendar | None:
    """The calendar that was used, if there is one."""
    if calendar is None:
        return None
    return VaccinationCalendar(
        edition=calendar.edition, effective=calendar.effective, source=calendar.source, read=calendar.read
    )
