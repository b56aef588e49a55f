"""What the refused reads, wherever he reads it."""

from __future__ import annotations

import pytest

from passerelle.kernel import messages
from passerelle_policies.explanations import told_when_refused
from passerelle_policies.packs import packs
from passerelle_policies.vocabulary import Role


@pytest.mark.parametrize(
    "code",
    ["ACCESS_REFUSED", "DOCUMENT_UNKNOWN", "ACTION_REFUSED", "DOSSIER_NOT_OPEN", "TYPE_REFUSED", "VISIBILITY_REFUSED"],
)
def test_a_refusal_reads_alike_in_the_rules_and_at_the_gateway(code: str) -> None:
    """Nobody but a professional has ways in: to a citizen the decision says the sentence of the code, and no more."""
    assert messages.sentence(code, {}) == told_when_refused(code, Role.PERSON, packs()[-1])
