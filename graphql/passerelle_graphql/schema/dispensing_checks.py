"""`dispensingChecks`: what is wrong with what is about to be dispensed; and `overrideCheck`, which passes over it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import cache, partial
from typing import Annotated, Any, TypeAlias
from uuid import UUID

import strawberry
from sqlalchemy import Text, Uuid, bindparam, null, select

from passerelle.audit.transactions import transaction
from passerelle.kernel.context import Context
from passerelle.pharmacy.checks import checking, overrides
from passerelle.pharmacy.checks.findings import Finding, FindingCode, InteractionLevel, TableName, Unchecked
from passerelle.pharmacy.checks.findings import NotChecked as NotCheckedFound
from passerelle.pharmacy.checks.items import Item
from passerelle_graphql.compiler.rendering import PART
from passerelle_graphql.compiler.roots import Frame, Given, given
from passerelle_graphql.compiler.shapes import Sql
from passerelle_graphql.context import Asked, ResolverInfo, context_of
from passerelle_graphql.fields import counted, resolved
from passerelle_graphql.ids import Node, key_of
from passerelle_graphql.late_answers import LateRoot
from passerelle_graphql.problems import InvalidInput, Refusal, TryLater

strawberry.enum(FindingCode, name="CheckFindingCode", description="Ce qui ne va pas.")
strawberry.enum(
    InteractionLevel,
    description="Les quatre niveaux de contrainte du thésaurus de l'ANSM, du plus léger au plus lourd.",
)
strawberry.enum(TableName, name="CheckTable", description="D'où vient un avertissement.")
strawberry.enum(Unchecked, name="UncheckedCode", description="Pourquoi quelque chose n'a pas pu être vérifié.")


@strawberry.input(description="Un produit qui va être dispensé : son CIP13, ou son nom quand il n'en a pas.")
class BasketLineInput:
    cip13: str | None = None
    label: str | None = None


@strawberry.type(description="Un produit comparé : demandé (sa place dans la demande), ou déjà dispensé (son jour).")
class CheckedProduct:
    label: str
    cip13: str | None
    place: int | None = strawberry.field(description="À partir de 0 ; absent d'un produit déjà dispensé.")
    dispensed_on: date | None


@strawberry.type(description="Une table, et sa date ; sans date pour ce qui n'est pas une table publiée.")
class CheckSource:
    table: TableName
    dated: date | None


@strawberry.type(description="Un autre médicament du même groupe générique.")
class CheckAlternative:
    cis: str
    name: str


@strawberry.type(description="Ce qu'un pharmacien a dispensé malgré cet avertissement, et pourquoi.")
class CheckOverride:
    reason: str
    by: str
    at: datetime


_of_alert = partial(strawberry.field, metadata={PART: "alert"})


@strawberry.type(description="Un avertissement.")
class CheckFinding:
    key: str = strawberry.field(description="La même pour le même avertissement sur les mêmes produits.")
    code: FindingCode = _of_alert()
    level: InteractionLevel | None = _of_alert()
    sentence: str = _of_alert()
    advice: str = _of_alert(description="Ce que la table ajoute : conduite à tenir, mécanisme.")
    between: list[str] = _of_alert(directives=[counted(2)], description="Substances, familles ou classe.")
    products: list[CheckedProduct] = strawberry.field(directives=[counted(2)])
    source: CheckSource = _of_alert()
    alternatives: list[CheckAlternative] = _of_alert(directives=[counted(10)])
    override: CheckOverride | None


@strawberry.type(description="Ce qui n'a pas pu être vérifié.")
class NotChecked:
    code: Unchecked
    sentence: str
    product: CheckedProduct | None


@strawberry.type(
    description="Ce à quoi les produits ont été confrontés : une table, ou tant de lignes ou de documents."
)
class CheckedAgainst:
    table: TableName
    dated: date | None
    count: int | None


@strawberry.type(description="Les avertissements, du plus lourd au plus léger, et ce qui n'a pas pu être vérifié.")
class DispensingChecks:
    findings: list[CheckFinding] = strawberry.field(directives=[counted(40)])
    not_checked: list[NotChecked] = strawberry.field(directives=[counted(20)])
    checked_against: list[CheckedAgainst] = strawberry.field(directives=[counted(4)])


@strawberry.type(description="Le motif est conservé.")
class CheckOverridden:
    finding: str


DispensingChecksResult: TypeAlias = Annotated[
    DispensingChecks | Refusal | InvalidInput | TryLater, strawberry.union("DispensingChecksResult")
]
CheckOverriddenResult: TypeAlias = Annotated[
    CheckOverridden | Refusal | InvalidInput | TryLater, strawberry.union("CheckOverriddenResult")
]


def _shown(checks: checking.Checks) -> DispensingChecks:
    """The types carry the names of the domain's: the compiler writes what these are made of, by the same names."""
    return DispensingChecks(
        findings=[_finding(each) for each in checks.findings],
        not_checked=[_not_checked(each) for each in checks.not_checked],
        checked_against=[
            CheckedAgainst(table=each.table, dated=each.dated, count=each.count) for each in checks.checked_against
        ],
    )


def _product(item: Item) -> CheckedProduct:
    return CheckedProduct(label=item.label, cip13=item.cip13, place=item.place, dispensed_on=item.dispensed_on)


def _finding(found: Finding) -> CheckFinding:
    alert, override = found.alert, found.override
    return CheckFinding(
        key=found.key,
        code=alert.code,
        level=alert.level,
        sentence=alert.sentence,
        advice=alert.advice,
        between=list(alert.between),
        products=[_product(each) for each in found.products],
        source=CheckSource(table=alert.source.table, dated=alert.source.dated),
        alternatives=[CheckAlternative(cis=each.cis, name=each.name) for each in alert.alternatives],
        override=CheckOverride(reason=override.reason, by=override.by, at=override.at) if override else None,
    )


def _not_checked(said: NotCheckedFound) -> NotChecked:
    return NotChecked(
        code=said.code, sentence=said.sentence, product=_product(said.product) if said.product is not None else None
    )


@strawberry.type
class DispensingChecksQuery:
    @resolved(
        "Contrôler ce qui va être dispensé : interactions, doublons, allergies, renouvellements, ruptures. "
        "C'est une lecture de l'historique, inscrite au journal du patient.",
        cost=20,
    )
    async def dispensing_checks(
        self, info: ResolverInfo, patient_id: strawberry.ID, basket: list[BasketLineInput]
    ) -> DispensingChecksResult:
        lines = _lines(basket)
        return _shown(await checking.check(context_of(info), key_of(Node.PATIENT, patient_id), lines))


@strawberry.type
class DispensingChecksMutation:
    @resolved("Dispenser malgré un avertissement, en disant pourquoi.", cost=10)
    async def override_check(
        self,
        info: ResolverInfo,
        patient_id: strawberry.ID,
        finding: str,
        code: FindingCode,
        cip13s: list[str],
        reason: str | None = None,
    ) -> CheckOverriddenResult:
        key = key_of(Node.PATIENT, patient_id)
        async with transaction(context_of(info)) as act:
            await overrides.override(act, key, finding, code, cip13s=cip13s, reason=reason)
        return CheckOverridden(finding=finding)


def _lines(basket: Sequence[BasketLineInput]) -> list[checking.BasketLine]:
    return [checking.BasketLine(each.cip13, each.label) for each in basket]


@cache
def _frame(_needs: frozenset[str]) -> Frame:
    it = checking.gathering()
    told = select(it.told.label("told")).select_from(it.judged.verdict).cte("gathered")
    asked = given(patient=bindparam("access_patient_id", type_=Uuid()), basket=bindparam("checks_basket", type_=Text()))
    return Frame(
        lambda body: select(body.label("body"), null().label("told")).select_from(it.judged.verdict),
        [it.judged.journal_line, told, asked],
    )


def _parameters(asked: Asked, arguments: Given) -> Mapping[str, Any]:
    lines = _lines(arguments.root["basket"])
    key = key_of(Node.PATIENT, arguments.root["patient_id"])
    return {
        **checking.parameters(asked.context, key, lines),
        "checks_basket": json.dumps([(each.cip13, each.label) for each in lines]),
        "gateway_path": asked.path,
    }


async def _answer(context: Context, payload: Sequence[Any]) -> checking.Checks:
    told, patient_id, basket = payload
    lines = [checking.BasketLine(*each) for each in json.loads(basket)]
    return await checking.checks_of(context, UUID(patient_id), lines, told)


def _never(_asked: Asked, _told: object) -> object:
    raise LookupError("a check always answers")


DISPENSING_CHECKS = LateRoot(
    name="dispensingChecks",
    shows="DispensingChecks",
    fields={},
    frame=_frame,
    parameters=_parameters,
    otherwise=_never,
    payload=(Sql("(select told from gathered)"), Sql("(select patient from given)"), Sql("(select basket from given)")),
    answer=_answer,
)
