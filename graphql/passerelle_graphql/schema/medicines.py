"""`medicine` and `medicines`: the public list of medicines, by code and by name. No patient, hence no journal line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from functools import cache
from typing import Annotated, Any, TypeAlias

import strawberry
from sqlalchemy import CTE, Integer, Text, bindparam, case, exists, func, select

from passerelle.dossier import access, reading
from passerelle.kernel import errors
from passerelle.pharmacy.reference import medicines, rows
from passerelle_graphql.compiler import shapes
from passerelle_graphql.compiler.building import Shape, entity, leaf, listed, row_of
from passerelle_graphql.compiler.roots import Frame, Given, ReadRoot, given
from passerelle_graphql.compiler.shapes import Sql
from passerelle_graphql.context import Asked, ResolverInfo, context_of
from passerelle_graphql.declared import fields_of
from passerelle_graphql.fields import PAGE, counted, resolved
from passerelle_graphql.problems import Conflict, InvalidInput, NotFound, Refusal, TryLater
from passerelle_graphql.read_model import shape, shown
from passerelle_graphql.schema.enums import ProductClass, ReferenceOrigin, ShortageStatus, SubstanceNature
from passerelle_graphql.schema.values import PageInfo, day


@strawberry.type(description="Ce dont un médicament est fait.")
class MedicineSubstance:
    code: str = shown("substance_code")
    name: str = shown()
    nature: SubstanceNature = shown(by=SubstanceNature)
    strength: str = shown()
    reference: str = shown(description="Ce dont le dosage est celui : un comprimé, 2 ml…")


@strawberry.type(description="Une boîte.")
class MedicinePresentation:
    cip13: str = shown()
    cip7: str = shown()
    label: str = shown()
    is_marketed: bool = shown()


@strawberry.type(description="Ce que l'ANSM dit de sa disponibilité.")
class MedicineShortage:
    cip13: str | None = shown(description="Absent : toutes ses boîtes.")
    status: ShortageStatus = shown(by=ShortageStatus)
    since: date = shown(by=day)
    expected_back: date | None = shown(by=day)


@strawberry.type(description="Un médicament du même groupe générique.")
class MedicineAlternative:
    cis: str = shown()
    name: str = shown()
    holder: str = shown()
    is_short: bool = shown()


@strawberry.type(description="Une spécialité de la liste en vigueur.")
class Medicine:
    cis: str = shown()
    name: str = shown()
    form: str = shown()
    routes: list[str] = shown(assumed_size=4)
    holder: str = shown()
    is_marketed: bool = shown()
    atc: str | None = shown(description="Absent : la liste publique ne le donne pas.")
    product_class: ProductClass = shown(by=ProductClass)
    generic_group: str | None = shown()
    is_major_interest: bool = shown(description="D'intérêt thérapeutique majeur.")
    is_short: bool = shown(description="En rupture, en tension ou arrêté, une de ses boîtes au moins.")
    conditions: list[str] = shown(assumed_size=8, description="De prescription et de délivrance.")
    list_date: date = shown("dated", by=day, description="Le jour de la liste.")
    list_origin: ReferenceOrigin = shown("origin", by=ReferenceOrigin)
    substances: list[MedicineSubstance] = strawberry.field(directives=[counted(8)])
    presentations: list[MedicinePresentation] = strawberry.field(directives=[counted(10)])
    shortages: list[MedicineShortage] = strawberry.field(directives=[counted(4)])

    @resolved("Du même groupe générique, ceux qui ne manquent pas d'abord.", cost=10, counts=counted(20))
    async def alternatives(self, info: ResolverInfo) -> list[MedicineAlternative]:
        context = context_of(info)
        most = access.number(context, "medicines.alternatives_max")
        found = await medicines.alternatives(context.tenant.database, self.cis, most=most)
        return [shape(MedicineAlternative, asdict(each)) for each in found]


@strawberry.type
class MedicineEdge:
    cursor: str
    node: Medicine


@strawberry.type(description="Une page de médicaments, par nom.")
class MedicineConnection:
    edges: list[MedicineEdge]
    page_info: PageInfo

    @strawberry.field
    def nodes(self) -> list[Medicine]:
        return [each.node for each in self.edges]


MedicineResult: TypeAlias = Annotated[
    Medicine | NotFound | Refusal | Conflict | InvalidInput | TryLater, strawberry.union("MedicineResult")
]
MedicinesResult: TypeAlias = Annotated[
    MedicineConnection | Refusal | Conflict | InvalidInput | TryLater, strawberry.union("MedicinesResult")
]


@strawberry.type
class MedicinesQuery:
    @resolved("Le médicament d'un code. La liste est publique : rien n'est au journal.", cost=5)
    async def medicine(
        self, info: ResolverInfo, cip13: str | None = None, cip7: str | None = None, cis: str | None = None
    ) -> MedicineResult:
        database = context_of(info).tenant.database
        found = await medicines.medicine(database, cip13=cip13, cip7=cip7, cis=cis)
        return _medicine(found) if found else NotFound.of(_UNKNOWN)

    @resolved("Les médicaments dont le nom ou les substances ont ces mots, sans accents.", cost=10, counts=PAGE)
    async def medicines(
        self, info: ResolverInfo, search: str, first: int | None = None, after: str | None = None
    ) -> MedicinesResult:
        context = context_of(info)
        size, least = reading.page_size(context, first), access.number(context, _LEAST)
        page = await medicines.search(context.tenant.database, search, least=least, first=size, after=after)
        edges = [MedicineEdge(cursor=each.cis, node=_medicine(each)) for each in page.medicines]
        return MedicineConnection(
            edges=edges,
            page_info=PageInfo(
                has_next_page=page.after is not None,
                has_previous_page=after is not None,
                start_cursor=edges[0].cursor if edges else None,
                end_cursor=edges[-1].cursor if edges else None,
            ),
        )


_UNKNOWN, _LEAST = "MEDICINE_UNKNOWN", "medicines.search_letters_min"


def _medicine(found: medicines.Medicine) -> Medicine:
    made = shape(Medicine, asdict(found))
    made.substances = [
        shape(MedicineSubstance, {**asdict(each), "substance_code": each.code}) for each in found.substances
    ]
    made.presentations = [shape(MedicinePresentation, asdict(each)) for each in found.presentations]
    made.shortages = [shape(MedicineShortage, asdict(each)) for each in found.shortages]
    return made


def _of_each(type_: Any, name: str, columns: tuple[str, ...], order: str) -> Shape:
    row = row_of(name, columns)
    belongs = "of_cis" if name == rows.ALTERNATIVE else "cis"
    return listed(
        type_.__name__,
        fields_of(type_, row),
        Sql(f"{name} where {name}.{belongs} = {rows.FOUND}.cis"),
        Sql(f"{name}.{order}"),
    )


_NODE = fields_of(
    Medicine,
    row_of(rows.FOUND, rows.SHOWN),
    substances=_of_each(
        MedicineSubstance, rows.SUBSTANCE, ("substance_code", "name", "nature", "strength", "reference"), "number"
    ),
    presentations=_of_each(MedicinePresentation, rows.BOX, ("cip13", "cip7", "label", "is_marketed"), "cip13"),
    shortages=_of_each(MedicineShortage, rows.LACK, ("cip13", "status", "since", "expected_back"), "number"),
    alternatives=_of_each(MedicineAlternative, rows.ALTERNATIVE, ("cis", "name", "holder", "is_short"), "number"),
)


@cache
def _frame(_needs: frozenset[str]) -> Frame:
    """Public rows: neither verdict nor line. What nothing refers to, PostgreSQL does not read."""
    edition = rows.edition()
    found = rows.one(edition)
    return Frame(
        lambda body: select(select(body).select_from(found).scalar_subquery().label("body"), _is_loaded(edition)),
        [edition, found, *rows.belonging(edition, found), rows.alternatives(edition, found)],
    )


@cache
def _page_frame(_needs: frozenset[str]) -> Frame:
    edition = rows.edition()
    found = rows.page(edition)
    asked = given(size=bindparam("shown", type_=Integer()), is_first=bindparam("after", type_=Text()).is_(None))
    return Frame(
        lambda body: select(
            case((exists(select(edition.c.edition_id)), body)).label("body"), _is_loaded(edition)
        ).select_from(asked),
        [asked, edition, found, *rows.belonging(edition, found), rows.alternatives(edition, found)],
    )


def _is_loaded(edition: CTE) -> Any:
    return func.to_json(exists(select(edition.c.edition_id))).label("is_loaded")


def _most(asked: Asked) -> int:
    return access.number(asked.context, "medicines.alternatives_max")


def _coded(asked: Asked, arguments: Given) -> Mapping[str, Any]:
    told = arguments.root
    return {**medicines.coded(*(told.get(name) for name in ("cip13", "cip7", "cis"))), "most": _most(asked)}


def _sought(asked: Asked, arguments: Given) -> Mapping[str, Any]:
    told = arguments.root
    size = reading.page_size(asked.context, told.get("first"))
    least = access.number(asked.context, _LEAST)
    found = medicines.sought(told["search"], least=least, after=told.get("after"))
    return {**found, "gateway_path": asked.path, "size": size + 1, "shown": size, "most": _most(asked)}


def _otherwise(_asked: Asked, is_loaded: object) -> object:
    if not is_loaded:
        raise errors.Conflict("MEDICINES_NOT_LOADED")
    return NotFound.of(_UNKNOWN)


MEDICINE = ReadRoot(
    name="medicine",
    shows="Medicine",
    fields=_NODE,
    frame=_frame,
    parameters=_coded,
    otherwise=_otherwise,
)

_SHOWN = f"{rows.FOUND}.number <= (select size from given)"
_ON_PAGE, _NUMBER = Sql(f"{rows.FOUND} where {_SHOWN}"), Sql(f"{rows.FOUND}.number")
_CURSOR = shapes.quoted(Sql(f"{rows.FOUND}.cis"))


def _end(order: str) -> Shape:
    return leaf(shapes.or_null(Sql(f"(select {_CURSOR} from {_ON_PAGE} order by {_NUMBER} {order} limit 1)")))


MEDICINES = ReadRoot(
    name="medicines",
    shows="MedicineConnection",
    fields={
        "edges": listed(
            "MedicineEdge", {"cursor": leaf(_CURSOR), "node": entity("Medicine", _NODE)}, _ON_PAGE, _NUMBER
        ),
        "nodes": listed("Medicine", _NODE, _ON_PAGE, _NUMBER),
        "pageInfo": entity(
            "PageInfo",
            {
                "hasNextPage": leaf(shapes.plain(Sql(f"exists (select from {rows.FOUND} where not ({_SHOWN}))"))),
                "hasPreviousPage": leaf(shapes.plain(Sql("select not is_first from given"))),
                "startCursor": _end("asc"),
                "endCursor": _end("desc"),
            },
        ),
    },
    frame=_page_frame,
    parameters=_sought,
    otherwise=_otherwise,
)
