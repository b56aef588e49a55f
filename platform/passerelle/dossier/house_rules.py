"""Lines of the journal for what a use case decides itself, beside the matrix: each under the name of its rule."""

from __future__ import annotations

from uuid import UUID

from passerelle.audit import journal
from passerelle.audit.transactions import Act
from passerelle.dossier import access
from passerelle_policies.vocabulary import Action, Kind


def line(
    act: Act, kind: Kind, action: Action, rule: str, *, patient_id: UUID = journal.NOBODY, code: str | None = None
) -> journal.Line:
    """What was done under a rule, or refused under it when there is a code; about no patient when none is named."""
    return journal.Line(
        kind=kind,
        action=action,
        outcome=journal.Outcome.REFUSED if code else journal.Outcome.ALLOWED,
        rule=rule,
        pack=access.pack_in(act.context).name,
        patient_id=patient_id,
        code=code,
    )
