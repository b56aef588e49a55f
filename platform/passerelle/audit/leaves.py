"""A line of the journal in the one form in which it is sealed (`verifier` says which), and the mark of its leaf."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, DateTime, Row, Text, cast, func
from sqlalchemy.dialects.postgresql import JSONB

from passerelle.audit.tables import journal
from passerelle.audit.verifier import LINE_FORM, canonical, leaf_hash, read_json
from passerelle.kernel.keys import MARK_BYTES, Keys

_JSON = frozenset(column.name for column in journal.c if isinstance(column.type, JSONB))
# What only the database writes alike for every value, infinity included, is written there.
_INSTANT = 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'


def columns_of_line() -> list[ColumnElement[Any]]:
    """Every column of the journal, ready for `document_of`."""
    return [_written(column).label(column.name) for column in journal.c]


def document_of(row: Row[Any]) -> dict[str, Any]:
    """A line as a JSON object; what is null is left out, so that a column added later changes no sealed line."""
    document: dict[str, Any] = {"form": LINE_FORM}
    values = row._mapping
    for column in journal.c:
        value = values[column.name]
        if isinstance(value, UUID):
            value = str(value)
        elif column.name in _JSON and value is not None:
            value = read_json(value)
        if value is not None:
            document[column.name] = value
    return document


def leaf_of(row: Row[Any]) -> bytes:
    """The leaf of a line."""
    return leaf_hash(canonical(document_of(row)))


def mark_of(keys: Keys, patient_id: UUID, line_id: int, leaf: bytes, index: int) -> bytes:
    """Two marks in one: the leaf is this line's, and its place is this one.

    The tree proves that something was changed; the marks tell what: a line and its leaf rewritten together, or a
    leaf that is another's place. They prove nothing to others, who do not have the key.
    """
    line = (b"journal-leaf", patient_id.bytes, line_id.to_bytes(8, "big", signed=True), leaf)
    return keys.mark(*line) + keys.mark(*line, index.to_bytes(8, "big", signed=True))


def fits(keys: Keys, mark: bytes, patient_id: UUID, line_id: int, leaf: bytes, index: int) -> tuple[bool, bool]:
    """Is the leaf this line's; is its place this one."""
    right = mark_of(keys, patient_id, line_id, leaf, index)
    return mark[:MARK_BYTES] == right[:MARK_BYTES], mark[MARK_BYTES:] == right[MARK_BYTES:]


def _written(column: ColumnElement[Any]) -> ColumnElement[Any]:
    if isinstance(column.type, DateTime):
        return func.to_char(func.timezone("UTC", column), _INSTANT)
    return cast(column, Text) if isinstance(column.type, JSONB) else column
