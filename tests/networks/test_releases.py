"""A revision after the last release only adds, or says why the release before can do without what it takes away."""

from __future__ import annotations

import subprocess
import tomllib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import op

from passerelle_ops.migrations import HISTORIES
from tests.conftest import ROOT
from tests.networks.contracting import contractions, since

RELEASED: dict[str, str] = tomllib.loads((ROOT / "ops/passerelle_ops/migrations/released.toml").read_text("utf-8"))


@pytest.mark.parametrize("name", HISTORIES)
def test_what_came_since_the_release_takes_nothing_away_from_it(name: str) -> None:
    revisions = since(HISTORIES[name], RELEASED[name])
    said: dict[str, str] = {}
    for each in revisions:
        said |= getattr(each, "CONTRACTS", {})
    assert contractions(revisions) == [*said]
    assert all(why.endswith(".") and len(why) > 40 for why in said.values())


def _column(**kinds: Any) -> sa.Column[Any]:
    return sa.Column("said", sa.Text(), **kinds)


def _made_with_an_index() -> None:
    op.create_table("shelf", _column())
    op.create_index("uq_shelf", "shelf", ["said"], unique=True)


TAKES: tuple[Callable[[], Any], ...] = (
    lambda: op.drop_table("document"),
    lambda: op.rename_table("document", "paper"),
    lambda: op.drop_column("document", "title"),
    lambda: op.add_column("document", _column(nullable=False)),
    lambda: op.alter_column("document", "title", new_column_name="name"),
    lambda: op.alter_column("document", "title", nullable=False),
    lambda: op.alter_column("document", "title", type_=sa.Integer()),
    lambda: op.alter_column("document", "title", server_default=None),
    lambda: op.create_index("uq_document_title", "document", ["title"], unique=True),
    lambda: op.drop_index("ix_document_title", "document"),
    lambda: op.create_check_constraint("ck_document_title", "document", "title <> ''"),
    lambda: op.create_foreign_key("fk_document_x", "document", "patient", ["patient_id"], ["patient_id"]),
    lambda: op.create_unique_constraint("uq_document_title", "document", ["title"]),
    lambda: op.drop_constraint("ck_document_status", "document", type_="check"),
    lambda: op.execute("alter table document drop column title"),
    lambda: op.execute("create unique index uq_document_title on document (title)"),
    lambda: op.execute("create trigger refuse before insert on document execute function refuse()"),
    lambda: op.execute("create policy own on document using (false)"),
    lambda: op.execute("grant select on document to x; revoke update on document from passerelle_serving"),
    lambda: op.execute("revoke execute on function forget_overrides(uuid, text[]) from public"),
    lambda: op.execute("do $$ begin drop table document; end $$"),
    lambda: op.execute("drop function forget_overrides(uuid, text[])"),
)
ADDS: tuple[Callable[[], Any], ...] = (
    lambda: op.add_column("document", _column(nullable=True)),
    lambda: op.add_column("document", _column(nullable=False, server_default="")),
    lambda: op.alter_column("document", "title", existing_type=sa.Text(), comment="of the document"),
    lambda: op.create_index("ix_document_title", "document", ["title"]),
    _made_with_an_index,
    lambda: op.execute("create function f() returns int language sql as $$ select 1; drop table x $$"),
    lambda: op.execute("update document set title = title"),
)


@pytest.mark.parametrize("upgrade", TAKES)
def test_what_takes_away_is_named(upgrade: Callable[[], Any]) -> None:
    assert len(contractions([SimpleNamespace(upgrade=upgrade)])) == 1


@pytest.mark.parametrize("upgrade", ADDS)
def test_what_adds_is_let_through(upgrade: Callable[[], Any]) -> None:
    assert contractions([SimpleNamespace(upgrade=upgrade)]) == []


def test_the_release_that_is_named_is_the_last_one() -> None:
    """A shallow clone, or one without tags, has nothing to say about it."""
    tag = ["git", "describe", "--tags", "--match", "v*", "--abbrev=0", "HEAD^"]
    found = subprocess.run(tag, cwd=ROOT, capture_output=True, text=True, check=False)
    if found.returncode == 0:
        its = subprocess.run(["git", "rev-list", "-n1", found.stdout.strip()], cwd=ROOT, capture_output=True, text=True)
        assert its.stdout.strip() == RELEASED["commit"]
