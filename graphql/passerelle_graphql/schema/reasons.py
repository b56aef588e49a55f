"""`access`: why a reading is allowed, in the words of the rule that allowed it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import strawberry

from passerelle.kernel.clock import legal_day
from passerelle.kernel.context import Context
from passerelle_graphql.compiler.building import Builder, Shape, later
from passerelle_graphql.compiler.late import Late
from passerelle_graphql.compiler.rendering import writer
from passerelle_graphql.compiler.selections import Selected
from passerelle_graphql.compiler.shapes import Sql
from passerelle_policies.packs import pack_on
from passerelle_policies.vocabulary import ActorKind


@strawberry.type(description="Pourquoi cet accès est permis.")
class AccessReason:
    rule: str = strawberry.field(description="Identifiant de la règle.")
    source: str = strawberry.field(description="Le texte d'où elle vient.")
    sentence: str


def reason_in_sql(rule: Sql) -> Shape:
    """`reason_of`, written after the statement that found the rule."""

    def late(builder: Builder, selected: Selected) -> Late:
        shown = writer(builder.selections, builder.type_of("AccessReason"), selected)

        def write(context: Context, values: Sequence[Any], _found: Mapping[str, Any]) -> bytes:
            reason = reason_of(context, values[0])
            return shown(reason) if reason else b"null"

        said = object()
        return Late(
            write=write,
            kept_as=lambda context: (said, pack_on(legal_day(context.clock)).name, context.actor.kind),
        )

    return later(late, rule)


def reason_of(context: Context, rule: str) -> AccessReason | None:
    """The words of `rule` in the pack in force; nothing is decided again."""
    line = pack_on(legal_day(context.clock)).line(rule)
    if line is None:
        return None
    is_professional = context.actor.kind is ActorKind.PROFESSIONAL
    sentence = line.to_professional if is_professional and line.to_professional else line.sentence
    return AccessReason(rule=line.rule, source=line.source, sentence=sentence)
