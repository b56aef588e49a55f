"""Professionals as the directory knows them: it is another database, asked after the statement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import strawberry

from passerelle.kernel.context import Context
from passerelle.kernel.directory import KnownProfessional
from passerelle_graphql.compiler import shapes
from passerelle_graphql.compiler.building import Row, Shape, entity, leaf
from passerelle_graphql.compiler.rendering import made
from passerelle_graphql.compiler.shapes import Sql
from passerelle_graphql.context import ResolverInfo, context_of
from passerelle_graphql.fields import resolved
from passerelle_graphql.read_model import in_sql
from passerelle_graphql.schema.values import CodedValue, coded
from passerelle_policies import nomenclatures


@strawberry.type(description="Un professionnel, tel que l'annuaire le connaît.")
class Professional:
    rpps: str

    @resolved("Absent : l'annuaire ne le connaît pas.")
    async def name(self, info: ResolverInfo) -> str | None:
        return _name(await _found(context_of(info), [(self.rpps,)]), self.rpps)

    @resolved("Absente : l'annuaire ne le connaît pas.")
    async def profession(self, info: ResolverInfo) -> CodedValue | None:
        return await known_profession(info, self.rpps)


def _professional_in_sql(subject: Sql) -> Shape:
    rpps = rpps_in({"subject": subject})
    name = made("Professional", "name", _name, rpps, lookup=_found)
    fields = {"rpps": leaf(shapes.free_text(rpps)), "name": name, "profession": profession_in_sql("Professional", rpps)}
    return entity("Professional", fields)


@in_sql(_professional_in_sql)
def professional(subject: str) -> Professional:
    """The professional of a subject."""
    return Professional(rpps=subject.partition(":")[2])


def rpps_in(row: Row) -> Sql:
    """The RPPS number in the column `subject` of a row."""
    return Sql(f"split_part({row['subject']}, ':', 2)")


async def known_profession(info: ResolverInfo, rpps: str) -> CodedValue | None:
    """The profession that the directory gives a professional, if it knows him."""
    return _profession(await _found(context_of(info), [(rpps,)]), rpps)


def profession_in_sql(type_name: str, rpps: Sql) -> Shape:
    """`known_profession`, as the field `profession` of a type."""
    return made(type_name, "profession", _profession, rpps, lookup=_found)


def profession_of(code: str | None) -> CodedValue | None:
    """A profession by its code (TRE_G15), when there is one."""
    known = nomenclatures.profession(code) if code else None
    return coded(code, known.label if known else None)


async def _found(context: Context, rows: Sequence[Sequence[Any]]) -> Mapping[str, KnownProfessional | None]:
    return {rpps: await context.directory.professional(rpps) for rpps in {str(row[0]) for row in rows}}


def _name(found: Mapping[str, KnownProfessional | None], rpps: str) -> str | None:
    known = found[rpps]
    return known.name if known else None


def _profession(found: Mapping[str, KnownProfessional | None], rpps: str) -> CodedValue | None:
    known = found[rpps]
    return profession_of(known.profession) if known else None
