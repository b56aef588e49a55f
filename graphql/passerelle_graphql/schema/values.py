"""Small types and enumerations that several domains show."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import cache
from typing import Any, NewType
from uuid import UUID

import strawberry
from strawberry.schema.config import StrawberryConfig

from passerelle_graphql.compiler import shapes
from passerelle_graphql.compiler.building import Shape, entity, leaf
from passerelle_graphql.compiler.shapes import Sql
from passerelle_graphql.ids import Node, node_id
from passerelle_graphql.read_model import in_sql

Base64 = NewType("Base64", bytes)


@strawberry.type(description="Une valeur codée et son libellé français.")
class CodedValue:
    code: str
    label: str | None


def base64_in_sql(octets: Sql) -> Shape:
    """Octets, by the database: base64 breaks its lines past 76 letters."""
    return leaf(shapes.quoted(Sql(f"translate(encode({octets}, 'base64'), E'\\n', '')")))


@in_sql(base64_in_sql)
def octets(value: bytes) -> Base64:
    return Base64(value)


def coding_in_sql(code: Sql, label: Sql) -> Shape:
    """`coding`, by the database."""
    return entity("CodedValue", {"code": leaf(shapes.free_text(code)), "label": leaf(shapes.free_text(label))})


def coded_in_sql(code: Sql, label: Sql) -> Shape:
    """`coded`, by the database."""
    fields = {"code": leaf(shapes.free_text(code)), "label": leaf(shapes.free_text(label))}
    return entity("CodedValue", fields, when=Sql(f"{code} <> ''"))


@in_sql(coding_in_sql)
def coding(code: str, label: str | None) -> CodedValue:
    """A coded value."""
    return CodedValue(code=code, label=label)


@in_sql(coded_in_sql)
def coded(code: str | None, label: str | None) -> CodedValue | None:
    """A coded value, when there is a code."""
    return CodedValue(code=code, label=label) if code else None


@strawberry.type(description="Où l'on en est d'une liste (Relay).")
class PageInfo:
    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


@cache
def identified(kind: Node) -> Callable[[UUID], strawberry.ID]:
    """The id of a thing of one kind, out of its key."""

    @in_sql(lambda key: leaf(shapes.quoted_id(kind)(key)))
    def by_key(key: UUID) -> strawberry.ID:
        return node_id(kind, key)

    return by_key


@in_sql(lambda column: leaf(shapes.instant(column)))
def instant(value: datetime | str | None) -> datetime | None:
    """An instant as a row holds it, native or out of JSON."""
    return datetime.fromisoformat(value) if isinstance(value, str) else value


@in_sql(lambda column: leaf(shapes.quoted(Sql(f"({column})::text"))))
def day(value: date | None) -> date | None:
    """A day as a row holds it."""
    return value


def write_instant(value: datetime) -> str:
    """An instant as the graph writes it: UTC, to the millisecond."""
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _read_instant(value: Any) -> datetime:
    if not isinstance(value, str):
        raise ValueError("an instant is a text")
    read = datetime.fromisoformat(value)
    if read.tzinfo is None:
        raise ValueError("an instant says its offset")
    if not 1 < read.year < 9999:  # at the edges, neither UTC nor every session's time zone can hold it
        raise ValueError("an instant of no calendar in use")
    return read


def _read_base64(value: Any) -> Base64:
    if not isinstance(value, str):
        raise ValueError("base64 is a text")
    try:
        return Base64(base64.b64decode(value.encode("ascii"), validate=True))
    except (binascii.Error, UnicodeEncodeError) as broken:
        raise ValueError("not base64") from broken


CONFIG = StrawberryConfig(
    scalar_map={
        datetime: strawberry.scalar(
            name="DateTime",
            description="Un instant, RFC 3339, avec décalage. En sortie : UTC, à la milliseconde.",
            specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
            serialize=write_instant,
            parse_value=_read_instant,
        ),
        Base64: strawberry.scalar(
            name="Base64",
            description="Des octets en base64 (RFC 4648 §4).",
            specified_by_url="https://www.rfc-editor.org/rfc/rfc4648",
            serialize=lambda value: base64.b64encode(value).decode("ascii"),
            parse_value=_read_base64,
        ),
    },
)
