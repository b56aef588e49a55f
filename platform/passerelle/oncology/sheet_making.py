"""New statements and sections of a board sheet, as `sheet.toml` declares them.

Their identifiers come from the document's own and from what they are for, so that equal work gives equal sheets.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final
from uuid import NAMESPACE_OID, uuid5

from passerelle.oncology.coded import Code, Id, Link, Moment, Section, Statement, Time, Value, Words
from passerelle.oncology.header import Header
from passerelle.oncology.sheet_table import Field, SectionKind, Shape, table

_PRIORITY: Final = "2.16.840.1.113883.5.7"
"""HL7 ActPriority."""


def identified(header: Header, *purpose: str) -> Id:
    """An identifier for a part of this document."""
    named = header.set_id or header.id
    seed = "/".join(("passerelle", named.root or "", named.extension or "", *purpose))
    return Id(root=str(uuid5(NAMESPACE_OID, seed)).upper())


def of_field(header: Header, field: Field, edition: str, item: str = "") -> Link:
    """The statement of a field, without its answer."""
    shape = table().shapes[field.shape]
    statement = of_shape(header, shape, f"{item}{field.name}").statement
    if field.code is not None:
        code = Code(code=field.code, system=field.system, label=field.label)
        if field.earlier is not None and edition < "2025.01":
            code = Code(code=field.earlier, system=Field(name="", label="", type="code").system, label=field.label)
        statement = replace(statement, code=code)
    if field.negated is not None:
        statement = replace(statement, negated=field.negated)
    if field.type == "group" and shape.kind == "observation":
        statement = replace(statement, values=(Value(type="CD", code=Code(null_flavor="NA")),))
    if not _is_related(field):
        return Link(statement=statement)
    return Link(statement=statement, type_code=field.link or shape.link, inverted=shape.inverted)


def _is_related(field: Field) -> bool:
    """Whether its statement stands in relation to another, not in a section or in an organizer."""
    declared = table()
    above = [declared.fields[each] for each in field.under]
    return bool(field.record or above) and not any(declared.shapes[each.shape].kind == "organizer" for each in above)


def of_shape(header: Header, shape: Shape, purpose: str) -> Link:
    """A statement of a shape, in the one it stands in if it has one; a link of a section."""
    values: tuple[Value, ...] = ()
    if shape.value is not None:
        original = Words(text=shape.original) if shape.original else None
        values = (Value(type=shape.value_type, code=Code(null_flavor=shape.value, original=original)),)
    statement = Statement(
        kind=shape.kind,
        class_code=shape.class_code,
        mood=shape.mood,
        negated=shape.negated,
        templates=tuple(Id(root=each) for each in shape.templates),
        ids=() if shape.kind == "organizer" else (identified(header, purpose),),
        code=Code(code=shape.code, system=shape.system, label=shape.label) if shape.code else Code(null_flavor="NA"),
        status=shape.status,
        times=_time(shape),
        values=values,
        priority=Code(code=shape.priority, system=_PRIORITY, label=shape.priority_label) if shape.priority else None,
        sites=(Code(null_flavor=shape.site),) if shape.site else (),
    )
    if shape.inside is None:
        return Link(statement=statement)
    outer = of_shape(header, table().shapes[shape.inside], f"{purpose}/{shape.inside}")
    inner = Link(statement=statement, type_code=shape.link, inverted=shape.inverted)
    return replace(outer, statement=replace(outer.statement, links=(inner,)))


def _time(shape: Shape) -> tuple[Time, ...]:
    if shape.low is not None:
        return (Time(low=Moment(null_flavor=shape.low)),)
    return () if shape.time is None else (Time(null_flavor=shape.time),)


def of_section(header: Header, kind: SectionKind, edition: str) -> Section:
    """An empty section, with what always stands in it."""
    declared = table()
    return Section(
        code=replace(kind.code, translations=(kind.key,)) if kind.key else kind.code,
        templates=tuple(Id(root=each) for each in kind.templates),
        ids=(identified(header, kind.name),),
        title=kind.title,
        entries=tuple(of_shape(header, declared.shapes[each], f"{kind.name}/{each}") for each in kind.fixed),
        sections=tuple(
            of_section(header, declared.sections[each], edition)
            for each in kind.holds
            if (declared.sections[each].until or edition) >= edition
        ),
    )
