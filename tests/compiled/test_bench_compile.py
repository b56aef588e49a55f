"""`passerelle bench compile` runs whole on a few examples and finds no difference."""

from __future__ import annotations

import json

import pytest
from graphql import print_ast

from passerelle_graphql.compiler.plans import Plans
from passerelle_graphql.preparation import Prepared
from passerelle_ops.bench import _unsent
from passerelle_ops.bench import compile as measure
from passerelle_ops.stack.postgres import Postgres


@pytest.mark.long
def test_a_few_examples_differ_in_nothing(capsys: pytest.CaptureFixture[str], postgres: Postgres) -> None:
    assert measure.measured(12, dsn=postgres.url(), as_json=True, processes=1) == 0
    figures = {each["name"]: each for each in json.loads(capsys.readouterr().out)["figures"]}
    assert figures["examples"]["value"] >= 12
    assert (figures["differences"]["value"], figures["differences"]["holds"]) == (0, True)
    assert figures["compiled_share"]["goal"] == 0.95
    assert figures["failures"]["value"] == 0
    assert (figures["sql_by_data"]["value"], figures["compiler_faults"]["value"]) == (0, 0)


def test_a_statement_that_holds_what_a_caller_wrote_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    statements = _unsent._statements

    def with_what_was_written(plans: Plans, prepared: Prepared) -> list[bytes]:
        return [*statements(plans, prepared), print_ast(prepared.document.ast).encode()]

    monkeypatch.setattr(_unsent, "_statements", with_what_was_written)

    assert _unsent.compiled_unsent(0, 20).by_data


def test_an_operation_that_breaks_the_compiler_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: object) -> list[bytes]:
        raise LookupError("nothing of that name")

    monkeypatch.setattr(_unsent, "_statements", breaks)

    assert len(_unsent.compiled_unsent(0, 2).broken) == 2
