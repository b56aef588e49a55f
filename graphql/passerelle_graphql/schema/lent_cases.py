"""`lentCases`: what other networks lent to a session, as those who sit in it read it: each patient reads of it at home.

What is lent lies sealed, with whom its patient keeps out: it is opened and decided upon by Python, and not compiled.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, TypeAlias

import strawberry

from passerelle.audit.transactions import transaction
from passerelle.kernel.context import Context
from passerelle.oncology import attachments, lent_cases, sheet_fields
from passerelle_graphql.context import ResolverInfo, context_of
from passerelle_graphql.fields import counted, resolved
from passerelle_graphql.ids import Node, key_of, node_id
from passerelle_graphql.problems import Conflict, InvalidInput, Refusal, TryLater
from passerelle_graphql.schema.board_agenda import MissingAnswer, missing_of
from passerelle_graphql.schema.board_sheets import SheetAnswer, SheetSection, answers_of, sections_of
from passerelle_graphql.schema.enums import AttachmentNature
from passerelle_graphql.schema.professionals import profession_of
from passerelle_graphql.schema.values import CodedValue


@strawberry.type(description="Une pièce prêtée avec un cas.")
class LentDocument:
    nature: AttachmentNature | None
    type_code: str
    title: str
    mime_type: str
    act_at: datetime
    size: int = strawberry.field(description="En octets.")
    content_url: str | None = strawberry.field(
        description="Où en lire les octets, au titre du cas ; absent d'une pièce trop lourde pour être prêtée."
    )


@strawberry.type(description="Qui demande l'avis, tel que son réseau le nomme.")
class LentCaseRequester:
    rpps: str
    name: str
    profession: CodedValue | None


@strawberry.type(description="Un cas prêté par un autre réseau à une session d'ici, le temps de celle-ci.")
class LentCase:
    id: strawberry.ID
    network: str
    board: str
    family_name: str
    given_names: list[str]
    birth_date: str
    sex: str
    question: str | None = strawberry.field(description="Absente, et tout ce qui suit, pour qui ne lit pas la fiche.")
    requester: LentCaseRequester | None
    revision: int = strawberry.field(description="De l'avis que l'on écrit : à rendre avec ce que l'on y change.")
    answers: list[SheetAnswer] = strawberry.field(directives=[counted(60)], description="Ce que dit la fiche.")
    sections: list[SheetSection] = strawberry.field(directives=[counted(15)])
    missing: list[MissingAnswer] = strawberry.field(description="Ce que l'avis ne dit pas.", directives=[counted(20)])
    documents: list[LentDocument] = strawberry.field(directives=[counted(10)])


@strawberry.type(description="Les cas prêtés à une session.")
class LentCases:
    nodes: list[LentCase] = strawberry.field(directives=[counted(10)])


LentCasesResult: TypeAlias = Annotated[
    LentCases | Refusal | Conflict | InvalidInput | TryLater, strawberry.union("LentCasesResult")
]


@strawberry.type
class LentCaseQuery:
    @resolved(
        "Les cas que d'autres réseaux ont prêtés à une session, pour qui y siège ; chaque patient le lit chez lui.",
        cost=40,
    )
    async def lent_cases(self, info: ResolverInfo, session_id: strawberry.ID) -> LentCasesResult:
        context, key = context_of(info), key_of(Node.BOARD_SESSION, session_id)
        async with transaction(context) as act:
            found = await lent_cases.of_session(act, key)
        return LentCases(nodes=[lent_case(context, info.context.path, each) for each in found])


def lent_case(context: Context, path: str, given: lent_cases.LentCase) -> LentCase:
    """A lent case as the graph shows it; `path` is where the addresses of the network begin."""
    key, sheet, by = node_id(Node.REFERRAL, given.referral_id), given.sheet, given.requester
    content = sheet.to_json() if sheet is not None else None
    return LentCase(
        id=key,
        network=given.network,
        board=given.board,
        family_name=given.patient["family_name"],
        given_names=list(given.patient["given_names"]),
        birth_date=given.patient["birth_date"],
        sex=given.patient["sex"],
        question=given.question,
        requester=LentCaseRequester(rpps=by["rpps"], name=by["name"], profession=profession_of(by["profession"]))
        if by
        else None,
        revision=given.revision,
        answers=answers_of(context, content, None, None) if content else [],
        sections=sections_of(context, content) if content else [],
        missing=missing_of(context, sheet_fields.missing(sheet)) if sheet else [],
        documents=[_document(f"{path}/board-cases/{key}/documents", each) for each in given.documents],
    )


def _document(under: str, given: lent_cases.LentDocument) -> LentDocument:
    return LentDocument(
        nature=attachments.natures().get(given.type_code),
        type_code=given.type_code,
        title=given.title,
        mime_type=given.mime_type,
        act_at=given.act_at,
        size=given.size,
        content_url=f"{under}/{node_id(Node.DOCUMENT, given.document_id)}" if given.is_lent else None,
    )
