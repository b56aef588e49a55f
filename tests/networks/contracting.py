"""What a revision takes away from what was there: whatever could make the release before fail over its schema.

Alembic's own operations are read, none is run. Tables that the same revisions make are theirs to shape; of plain SQL
only what is known to add is let through.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, Final

import pytest
from alembic.operations import Operations
from alembic.operations import ops as operation
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.dialects import postgresql
from sqlalchemy.sql.ddl import DDLElement

from passerelle_ops.migrations import History

_DIALECT: Final = postgresql.dialect()  # type: ignore[no-untyped-call]
_BODY: Final = re.compile(r"\$(\w*)\$.*?\$\1\$", re.DOTALL)
_NAME: Final = r"(?:if (?:not )?exists )?\"?(\w+)\"?"
_MAKES: Final = re.compile(rf"create (?:or replace )?(?:table|function|sequence) {_NAME}")
_ADDS: Final = tuple(
    re.compile(each)
    for each in (
        r"create (or replace )?function ",
        r"create (table|sequence|index) ",
        r"create trigger \w+ after ",
        r"(comment on|grant|update|insert into) ",
    )
)
_ABOUT_A_TABLE: Final = re.compile(rf"(?:alter table|create (?:unique index|policy) \w+ on) {_NAME}")
_ABOUT_A_FUNCTION: Final = re.compile(rf"revoke execute on function {_NAME}")


def since(history: History, revision: str) -> list[ModuleType]:
    """The revisions after that one, oldest first."""
    scripts = ScriptDirectory.from_config(history.config()).walk_revisions(base=revision, head="heads")
    return [each.module for each in scripts if each.revision != revision][::-1]


def contractions(upgrades: Iterable[Any]) -> list[str]:
    """What these take away, in words that name it; each has an `upgrade`."""
    made: set[str] = set()
    found: list[str] = []
    for each in upgrades:
        with _recorded() as taken:
            each.upgrade()
        for one in taken:
            found += _contractions(one, made)
    return found


@contextmanager
def _recorded() -> Iterator[list[operation.MigrateOperation]]:
    taken: list[operation.MigrateOperation] = []
    context = MigrationContext.configure(dialect_name="postgresql", opts={"as_sql": True})
    with pytest.MonkeyPatch.context() as patch, Operations.context(context):
        patch.setattr(Operations, "invoke", lambda _, each: taken.append(each))
        yield taken


def _contractions(one: operation.MigrateOperation, made: set[str]) -> Iterator[str]:
    if isinstance(one, operation.ExecuteSQLOp):
        yield from (f"sql: {each[:80]}" for each in _statements(one.sqltext) if not _only_adds(each, made))
        return
    table = str(getattr(one, "table_name", None) or getattr(one, "source_table", ""))
    if isinstance(one, operation.CreateTableOp):
        made.add(table)
    if table not in made and not _is_expansion(one):
        name = getattr(one, "constraint_name", None) or getattr(one, "index_name", None)
        column = getattr(one, "column", None)
        about = name or (column.name if column is not None else getattr(one, "column_name", ""))
        yield f"{type(one).__name__.removesuffix('Op')} {table} {about}".strip()


def _is_expansion(one: operation.MigrateOperation) -> bool:
    if isinstance(one, operation.AddColumnOp):
        return bool(one.column.nullable) or one.column.server_default is not None
    if isinstance(one, operation.CreateIndexOp):
        return not one.unique
    if isinstance(one, operation.AlterColumnOp):
        changes_shape = one.modify_type is not None or one.modify_name is not None or one.modify_nullable is False
        return not changes_shape and one.modify_server_default is not None
    return isinstance(one, operation.CreateTableCommentOp)


def _statements(given: Any) -> Iterator[str]:
    text = str(given.compile(dialect=_DIALECT) if isinstance(given, DDLElement) else given)
    for each in _BODY.sub("$$", text).lower().split(";"):
        if said := " ".join(each.split()):
            yield said


def _only_adds(statement: str, made: set[str]) -> bool:
    if (found := _MAKES.match(statement)) is not None:
        made.add(found[1])
    for within in (_ABOUT_A_TABLE, _ABOUT_A_FUNCTION):
        if (about := within.match(statement)) is not None:
            return about[1] in made
    return any(each.match(statement) for each in _ADDS)
