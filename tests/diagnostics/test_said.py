"""What `passerelle doctor` shows people: what is wrong on top, and the verdict last."""

from __future__ import annotations

import pytest

from passerelle_ops.cli.doctor import NAMES, show
from passerelle_ops.diagnostics.found import Check, Found, Wrong

WELL = [Found(each, about) for each in Check for about in ("oncomip", "oncopl")]
FAULT = Found(Check.DATABASE, "directory", Wrong("DATABASE_UNREACHABLE"))


def test_faults_stand_first_what_is_well_is_folded_and_the_verdict_is_last(capsys: pytest.CaptureFixture[str]) -> None:
    show([*WELL, FAULT], every=False)
    first, cause, remedy, *folded, _, verdict = capsys.readouterr().out.splitlines()
    assert (first, verdict) == ("✗ Base de données · annuaire", f"1 défaut sur {len(WELL) + 1} contrôles.")
    assert cause.startswith("  La base ne répond pas")
    assert remedy.startswith("  → Vérifiez que PostgreSQL tourne")
    assert folded == [f"✓ {NAMES[each]} : 2 contrôles" for each in Check]


def test_when_asked_each_check_has_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    show(WELL, every=True)
    *told, verdict = capsys.readouterr().out.splitlines()
    assert verdict == f"Tout va bien : {len(WELL)} contrôles."
    assert sum(line.count("✓") for line in told) == len(WELL)


def test_no_two_checks_are_called_the_same() -> None:
    assert len(set(NAMES.values())) == len(NAMES) == len(Check)


@pytest.mark.parametrize(
    ("objects", "said"), [(1, "1 objet du dépôt n’est désigné par"), (2, "2 objets du dépôt ne sont")]
)
def test_a_cause_agrees_with_its_number(objects: int, said: str) -> None:
    assert Wrong("CONTENTS_ORPHANED", {"objects": objects}).cause.startswith(said)
