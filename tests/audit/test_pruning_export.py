"""Exports from before a pruning and after it hold, by a program that has nothing of Passerelle."""

from __future__ import annotations

import json
from typing import Any

import pytest

from passerelle.audit.export import lines_between, written
from passerelle.audit.transactions import transaction
from passerelle.audit.verifier import faults_of, key_id_of, read_json
from passerelle.kernel.keys import KEY_BYTES, Keys
from tests.audit.pruned import OLD, YOUNG, Pruning
from tests.audit.sealed import Sealing
from tests.audit.test_export import Alone, export
from tests.audit.test_export import alone as alone


@pytest.fixture
async def pruning(sealing: Sealing) -> Pruning:
    pruning = Pruning(sealing)
    await pruning.begin()
    return pruning


async def whole(pruning: Pruning, **how: Any) -> dict[str, Any]:
    async with transaction(pruning.sealing.context) as act:
        keys = await lines_between(act.connection)
    return await export(pruning.sealing, keys, **how)


async def test_an_export_from_before_and_one_from_after_hold(pruning: Pruning, alone: Alone) -> None:
    old = await whole(pruning)
    assert (len(old["lines"]), old["pruned"]) == (OLD + YOUNG, [])
    await pruning.prune(at_once=7)
    await pruning.sealing.seal()
    new = await whole(pruning, earlier=old["heads"][-1]["tree_size"])
    statements = len(pruning.statements())
    assert [each["below"] for each in new["pruned"]] == [OLD]
    assert len(new["lines"]) == YOUNG + statements
    assert alone.verify(old, "--whole", name="old.json")[0] == 0
    code, said = alone.verify(new, "--earlier", "old.json", "--whole")
    assert code == 0, said
    assert f"sous la place #{OLD}" in said
    assert "10 ans" in said


async def test_a_line_missing_beyond_the_pruning_is_named(pruning: Pruning, alone: Alone) -> None:
    await pruning.prune()
    await pruning.sealing.seal()
    lines = pruning.sealing.order()
    pruning.sealing.as_owner("delete from journal where line_id = any(%s)", [[lines[OLD], *lines[OLD + 2 : OLD + 5]]])
    made = await whole(pruning)
    code, said = alone.verify(made, "--whole")
    assert (code, said.count("[LINE_MISSING]")) == (1, 2)
    assert f"#{OLD} manque" in said
    assert f"#{OLD + 2}–#{OLD + 4} manque" in said
    assert alone.verify(made)[0] == 0  # an export need not be whole


async def test_without_a_pruning_every_place_must_be_there(pruning: Pruning) -> None:
    made = await whole(pruning)
    made["lines"] = made["lines"][1:-1]
    assert faults_of(read_json(written(made)), whole=True) == [
        ("LINE_MISSING", "#0"),
        ("LINE_MISSING", f"#{OLD + YOUNG - 1}"),
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [("below", OLD + 1), ("lines", 3), ("years", 1), ("root", "00" * 32), ("by", "autre"), ("tenant", "autre")],
)
async def test_a_statement_changed_is_refused(pruning: Pruning, name: str, value: object) -> None:
    await pruning.prune()
    made = await whole(pruning)
    [statement] = made["pruned"]
    changed = {**made, "pruned": [{**statement, name: value}]}
    faults = faults_of(json.loads(written(changed)), whole=True)
    assert ("PRUNING_FALSE", str(changed["pruned"][0]["below"])) in faults
    assert "LINE_MISSING" in {code for code, _ in faults}


async def test_a_statement_of_another_key_or_another_journal_is_refused(pruning: Pruning) -> None:
    await pruning.prune()
    made = await whole(pruning)
    [statement] = made["pruned"]
    other = Keys(bytes(KEY_BYTES))
    forged = {**statement, "key_id": key_id_of(other.public_key)}
    assert ("PRUNING_FALSE", str(OLD)) in faults_of({**made, "pruned": [forged]})
    assert ("PRUNING_FALSE", str(OLD)) in faults_of({**made, "pruned": [{**statement, "more": 1}]})
    # Signed by this network, of a journal that this one does not continue.
    pruning.sealing.empty()
    await pruning.begin()
    await pruning.prune()
    elsewhere = await whole(pruning)
    mixed = {**made, "pruned": elsewhere["pruned"]}
    assert faults_of(mixed) == [("HEAD_NOT_CONSISTENT", str(OLD))]
