"""`recordDispensation`, `dispenseAll` and the rest: what a pharmacy dispensed, corrected or did not dispense."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, TypeAlias

import strawberry

from passerelle.audit.transactions import transaction
from passerelle.kernel.context import Context
from passerelle.pharmacy import dispensing
from passerelle.pharmacy.dispensed import Dispensed, DispensedLine
from passerelle_graphql.context import ResolverInfo, context_of
from passerelle_graphql.fields import counted, resolved
from passerelle_graphql.ids import Node, key_of, node_id
from passerelle_graphql.problems import Conflict, InvalidInput, Problem, Refusal, TryLater, problem_of
from passerelle_graphql.schema.enums import DispensationStatus, ProductClass


@strawberry.input(description="Un produit dispensé. Un CIP13 que la table du jour connaît donne ses substances.")
class DispensedLineInput:
    quantity: Decimal
    label: str | None = None
    cip13: str | None = None
    cis: str | None = None
    product_class: ProductClass | None = None
    substances: list[str] | None = strawberry.field(default=None, description="D'un produit que la table ignore.")
    atc: str | None = None
    dose_text: str | None = strawberry.field(default=None, description="La posologie, telle qu'écrite.")
    days: int | None = strawberry.field(default=None, description="Pour combien de jours.")
    batch: str | None = None
    prescribed: bool = True
    refused: bool = strawberry.field(
        default=False, description="La personne refuse qu'elle figure au dossier : il n'en reste rien."
    )


@strawberry.input(description="Une dispensation, sous le numéro que lui donne votre pharmacie.")
class DispensationInput:
    pharmacy_number: str
    dispensed_at: datetime
    lines: list[DispensedLineInput]
    prescriber_rpps: str | None = None
    prescriber_name: str | None = None
    prescribed_on: date | None = None
    prescription_number: str | None = strawberry.field(
        default=None, description="De l'ordonnance à laquelle elle répond."
    )

    def said(self) -> Dispensed:
        """The same, as the domain takes it."""
        return Dispensed(
            pharmacy_number=self.pharmacy_number,
            dispensed_at=self.dispensed_at,
            lines=tuple(
                DispensedLine(
                    quantity=each.quantity,
                    label=each.label,
                    cip13=each.cip13,
                    cis=each.cis,
                    product_class=each.product_class,
                    substances=tuple(each.substances or ()),
                    atc=each.atc,
                    dose_text=each.dose_text,
                    days=each.days,
                    batch=each.batch,
                    is_prescribed=each.prescribed,
                    is_refused=each.refused,
                )
                for each in self.lines
            ),
            prescriber_rpps=self.prescriber_rpps,
            prescriber_name=self.prescriber_name,
            prescribed_on=self.prescribed_on,
            prescription_number=self.prescription_number,
        )


@strawberry.input(description="Une dispensation d'un envoi groupé, et à qui.")
class DispensationOfPatient:
    patient_id: strawberry.ID
    dispensation: DispensationInput


@strawberry.type(description="Une dispensation telle qu'elle est enregistrée.")
class DispensationReceipt:
    id: strawberry.ID
    pharmacy_number: str
    version: int = strawberry.field(description="À partir de 1 ; chaque correction en fait une de plus.")
    status: DispensationStatus
    lines: int = strawberry.field(description="Combien sont enregistrées.")
    already_known: bool = strawberry.field(description="Cet envoi n'a rien changé.")


@strawberry.type(description="Ce qu'il est advenu d'une dispensation d'un envoi groupé.")
class DispensationOutcome:
    pharmacy_number: str
    receipt: DispensationReceipt | None
    problem: Problem | None


@strawberry.type(description="Ce qu'il est advenu de chacune, dans l'ordre de l'envoi.")
class DispensationOutcomes:
    outcomes: list[DispensationOutcome] = strawberry.field(directives=[counted(200)])


DispensationResult: TypeAlias = Annotated[
    DispensationReceipt | Refusal | Conflict | InvalidInput | TryLater, strawberry.union("DispensationResult")
]
DispenseAllResult: TypeAlias = Annotated[
    DispensationOutcomes | Refusal | InvalidInput | TryLater, strawberry.union("DispenseAllResult")
]


@strawberry.type
class DispensingMutation:
    @resolved("Enregistrer ce qui a été dispensé ; renvoyé, c'est la même réponse.", cost=20)
    async def record_dispensation(
        self, info: ResolverInfo, patient_id: strawberry.ID, dispensation: DispensationInput
    ) -> DispensationResult:
        key = key_of(Node.PATIENT, patient_id)
        async with transaction(context_of(info)) as act:
            return _receipt(await dispensing.record(act, key, dispensation.said()))

    @resolved("Enregistrer plusieurs dispensations : une refusée n'en retient pas d'autre.", cost=1000)
    async def dispense_all(self, info: ResolverInfo, dispensations: list[DispensationOfPatient]) -> DispenseAllResult:
        context = context_of(info)
        items = [(key_of(Node.PATIENT, each.patient_id), each.dispensation.said()) for each in dispensations]
        outcomes = await dispensing.record_many(context, items)
        return DispensationOutcomes(outcomes=[_outcome(each, context) for each in outcomes])

    @resolved("Corriger une dispensation de votre pharmacie ; ce qu'elle disait est gardé.", cost=20)
    async def correct_dispensation(
        self, info: ResolverInfo, patient_id: strawberry.ID, dispensation: DispensationInput, reason: str
    ) -> DispensationResult:
        key = key_of(Node.PATIENT, patient_id)
        async with transaction(context_of(info)) as act:
            return _receipt(await dispensing.correct(act, key, dispensation.said(), reason=reason))

    @resolved("Annuler une dispensation de votre pharmacie, qui n'a pas eu lieu.", cost=20)
    async def cancel_dispensation(
        self, info: ResolverInfo, patient_id: strawberry.ID, pharmacy_number: str, reason: str
    ) -> DispensationResult:
        key = key_of(Node.PATIENT, patient_id)
        async with transaction(context_of(info)) as act:
            return _receipt(await dispensing.cancel(act, key, pharmacy_number, reason=reason))


def _receipt(done: dispensing.Receipt) -> DispensationReceipt:
    return DispensationReceipt(
        id=node_id(Node.DISPENSATION, done.dispensation_id),
        pharmacy_number=done.pharmacy_number,
        version=done.version,
        status=done.status,
        lines=done.lines,
        already_known=not done.is_new,
    )


def _outcome(came: dispensing.Outcome, context: Context) -> DispensationOutcome:
    return DispensationOutcome(
        pharmacy_number=came.pharmacy_number,
        receipt=_receipt(came.receipt) if came.receipt else None,
        problem=problem_of(came.problem, context) if came.problem else None,
    )
