"""The code that whoever is refused is told, where the decision's own would tell him more."""

from __future__ import annotations

from passerelle_policies.decision import Decision, Facts
from passerelle_policies.vocabulary import Action, Kind, Relation


def code_told(decision: Decision, facts: Facts, kind: Kind, action: Action) -> str:
    """The code of a refusal as the refused is told it: whoever would come in by an emergency alone does not learn
    whether the record is closed, or not there."""
    comes_by_emergency = action is Action.BREAK_GLASS or (
        action is Action.READ and facts.relations <= {Relation.EMERGENCY}
    )
    if decision.code == "DOSSIER_NOT_OPEN" and kind is Kind.DOSSIER and comes_by_emergency:
        return "ACCESS_REFUSED"
    return decision.code or "ACCESS_REFUSED"
