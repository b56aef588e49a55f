"""What people are told: a French sentence for every code and every refusal, that gives nothing away."""

from __future__ import annotations

import tomllib
from importlib.resources import files

import pytest

from passerelle.kernel import messages
from passerelle_policies import decision
from passerelle_policies.packs import packs

CODES = [
    decision.ACCESS_REFUSED,
    decision.ACTION_REFUSED,
    decision.DOCUMENT_UNKNOWN,
    decision.DOSSIER_NOT_OPEN,
    decision.TYPE_NOT_IN_DMP,
    decision.TYPE_REFUSED,
    decision.VISIBILITY_REFUSED,
]


@pytest.mark.parametrize("code", CODES)
def test_every_code_has_its_sentence(code: str) -> None:
    assert messages.catalogue()[code].endswith(".")


@pytest.mark.parametrize("code", ["ACCESS_REFUSED", "ACTION_REFUSED", "DOCUMENT_UNKNOWN"])
def test_a_refused_person_learns_neither_of_a_block_nor_of_a_mask(code: str) -> None:
    sentence = messages.catalogue()[code].lower()
    assert not any(word in sentence for word in ("bloqu", "masqu", "supprim", "caché"))


def test_explanations_are_sentences() -> None:
    text = files("passerelle_policies").joinpath("sentences.toml").read_text("utf-8")
    told = tomllib.loads(text)
    for sentence in (*told["rule"].values(), *told["told"].values(), *told["access"].values()):
        assert sentence.endswith(".")
    assert set(told["told"]) == set(CODES)
    assert {each.removesuffix("-pharmacy") for each in told["source"]} <= set(told["rule"])
    for pack in packs():
        for line in pack.lines:
            assert line.sentence.endswith("."), line.rule
            assert line.effect == "deny" or line.to_professional.endswith("."), line.rule
