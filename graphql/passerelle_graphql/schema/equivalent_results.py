"""Before an act of laboratory or imaging is asked for again: the recent results that would do."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, TypeAlias

import strawberry
from sqlalchemy import Text, bindparam, case, func, select

from passerelle.dossier import emergencies, equivalents, judging, reading
from passerelle.dossier.equivalents import Match
from passerelle_graphql.compiler import shapes
from passerelle_graphql.compiler.building import entity, leaf, listed, needing, row_of
from passerelle_graphql.compiler.roots import Frame, Given, ReadRoot, given
from passerelle_graphql.compiler.shapes import Sql
from passerelle_graphql.context import Asked, ResolverInfo, context_of
from passerelle_graphql.fields import counted, resolved
from passerelle_graphql.ids import Node, key_of
from passerelle_graphql.problems import InvalidInput, Refusal, TryLater
from passerelle_graphql.read_model import shape
from passerelle_graphql.schema import opened_under
from passerelle_graphql.schema.documents import Document, document_fields
from passerelle_graphql.schema.enums import Mode, Relation
from passerelle_policies.vocabulary import Kind

strawberry.enum(
    Match,
    name="EquivalentMatch",
    description="SAME_ACT : ce même acte. EQUIVALENT : un acte qui le vaut. SAME_CHAPTER : un compte rendu de biologie "
    "du même chapitre, dont les examens ne sont pas codés.",
)


@strawberry.input(description="Un acte que l'on s'apprête à demander.")
class ActInput:
    code: str
    system: str = strawberry.field(description="OID de la nomenclature : CCAM, LOINC.")


@strawberry.type(description="Un résultat récent que l'acteur peut voir.")
class EquivalentResult:
    document: Document
    match: Match
    age_days: int = strawberry.field(description="Jours écoulés depuis l'acte.")


@strawberry.type(
    description="Ce qui dispenserait peut-être de refaire l'acte : le plus proche d'abord, puis le récent."
)
class EquivalentResults:
    name: str | None = strawberry.field(description="Le nom de l'acte, quand la table d'équivalence le connaît.")
    results: list[EquivalentResult] = strawberry.field(directives=[counted(20)])


EquivalentResultsResult: TypeAlias = Annotated[
    EquivalentResults | Refusal | InvalidInput | TryLater, strawberry.union("EquivalentResultsResult")
]


@strawberry.type
class EquivalentResultsQuery:
    @resolved("Les résultats récents qui vaudraient un acte de biologie ou d'imagerie.", cost=10)
    async def equivalent_results(
        self, info: ResolverInfo, patient_id: strawberry.ID, act: ActInput
    ) -> EquivalentResultsResult:
        context, key = context_of(info), key_of(Node.PATIENT, patient_id)
        found = await equivalents.equivalent_results(context, key, act.code, act.system)
        if context.mode is Mode.BREAK_GLASS and Relation.EMERGENCY in found.relations:
            info.context.opened(await emergencies.own_emergency(context, key))
        return EquivalentResults(
            name=found.name,
            results=[
                EquivalentResult(document=shape(Document, row), match=Match(row["match"]), age_days=row["age_days"])
                for row in found.results
            ],
        )


_RESULT = "result"
_ROW = row_of(_RESULT, equivalents.SHOWN)


@cache
def _frame(needs: frozenset[str]) -> Frame:
    """Facts, verdict and journal line; the results only where the operation asks for them."""
    it = equivalents.search()
    own = opened_under.own_emergency(it.judged.verdict, needs)
    also = [it.judged.journal_line, given(act=bindparam("act_name", type_=Text())), *own]
    if _RESULT in needs:
        found = it.results().subquery("found")
        also.append(select(found, func.row_number().over().label("number")).cte(_RESULT))
    return Frame(
        lambda body: select(
            case((it.judged.verdict.c.allowed, body)).label("body"),
            func.coalesce(it.judged.told_of_refusal(), opened_under.told(own, needs)).label("told"),
        ).select_from(it.judged.verdict),
        also,
    )


def _parameters(asked: Asked, arguments: Given) -> Mapping[str, Any]:
    act: ActInput = arguments.root["act"]
    key = key_of(Node.PATIENT, arguments.root["patient_id"])
    return {
        **equivalents.parameters(asked.context, key, act.code, act.system),
        "act_name": equivalents.act_name(act.code, act.system),
        "gateway_path": asked.path,
    }


def _refused(asked: Asked, told: Mapping[str, Any]) -> object:
    raise judging.refusal(asked.context, Kind.DOSSIER, told)


EQUIVALENT_RESULTS = ReadRoot(
    name="equivalentResults",
    shows="EquivalentResults",
    fields={
        "name": leaf(shapes.free_text(Sql("(select act from given)"))),
        "results": needing(
            _RESULT,
            listed(
                "EquivalentResult",
                {
                    "document": entity("Document", document_fields(row_of(_RESULT, reading.SHOWN))),
                    "match": leaf(shapes.word(Match)(_ROW["match"])),
                    "ageDays": leaf(shapes.plain(_ROW["age_days"])),
                },
                Sql(_RESULT),
                Sql(f"{_RESULT}.number"),
            ),
        ),
    },
    frame=_frame,
    parameters=_parameters,
    otherwise=_refused,
    shape=opened_under.shape,
    beside=opened_under.keep,
)
