"""What docs/scaling.md says of keys is so: which tables are ready to be distributed by patient, which keys are not."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sqlalchemy import Table, UniqueConstraint

from passerelle_ops.migrations import TENANT
from passerelle_ops.settings import ROOT

TEXT = (ROOT / "docs" / "scaling.md").read_text("utf-8").split("## Distributing one network by patient")[1]
NAME = re.compile(r"`(\w+)`")


def tables() -> list[Table]:
    """Those of a network that have a patient."""
    return [each for each in TENANT.schema.tables.values() if "patient_id" in each.c]


def keys(table: Table) -> Iterator[frozenset[str]]:
    yield frozenset(each.name for each in table.primary_key)
    for constraint in table.constraints:
        if isinstance(constraint, UniqueConstraint):
            yield frozenset(each.name for each in constraint.columns)
    for index in table.indexes:
        if index.unique:
            yield frozenset(each.name for each in index.columns)


def test_tables_said_ready_are_those_that_are() -> None:
    said = TEXT.split("every unique constraint.\n")[1].split("**With")[0]
    assert set(NAME.findall(said)) == {
        each.name
        for each in tables()
        if next(iter(each.primary_key)).name == "patient_id" and all("patient_id" in key for key in keys(each))
    }


def test_keys_said_to_lack_the_patient_are_those_that_do() -> None:
    rows = [each.split("|")[1:3] for each in TEXT.splitlines() if each.startswith("| `")]
    said = {(NAME.findall(table)[0], frozenset(NAME.findall(columns))) for table, columns in rows}
    assert said == {(each.name, key) for each in tables() for key in keys(each) if "patient_id" not in key}
