"""`access`: why a reading is allowed, in the words of the rule that allowed it."""

from __future__ import annotations

import strawberry

from passerelle.kernel.clock import legal_day
from passerelle.kernel.context import Context
from passerelle_policies.packs import pack_on
from passerelle_policies.vocabulary import ActorKind


@strawberry.type(description="Pourquoi cet accès est permis.")
class AccessReason:
    rule: str = strawberry.field(description="Identifiant de la règle.")
    source: str = strawberry.field(description="Le texte d'où elle vient.")
    sentence: str


def reason_of(context: Context, rule: str) -> AccessReason | None:
    """The words of `rule` in the pack in force; nothing is decided again."""
    line = pack_on(legal_day(context.clock)).line(rule)
    if line is None:
        return None
    is_professional = context.actor.kind is ActorKind.PROFESSIONAL
    sentence = line.to_professional if is_professional and line.to_professional else line.sentence
    return AccessReason(rule=line.rule, source=line.source, sentence=sentence)
