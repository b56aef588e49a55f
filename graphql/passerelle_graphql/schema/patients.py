"""`patient`: looking an identity up, by exact INS or by enough traits, and registering one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, TypeAlias
from uuid import UUID

import strawberry
from sqlalchemy import case, func, literal, select

from passerelle.audit.transactions import Act, transaction
from passerelle.identities import look_ups, patients
from passerelle.identities.ins import Ins as InsGiven
from passerelle.identities.ins import check
from passerelle.kernel import errors, messages
from passerelle_graphql.compiler import building, shapes
from passerelle_graphql.compiler.building import NotCompiled, Shape, entity, leaf
from passerelle_graphql.compiler.roots import Frame, Given, ReadRoot
from passerelle_graphql.compiler.shapes import Sql
from passerelle_graphql.context import Asked, ResolverInfo, context_of
from passerelle_graphql.declared import fields_of
from passerelle_graphql.directives import Identifying
from passerelle_graphql.fields import resolved
from passerelle_graphql.ids import Node, node_id
from passerelle_graphql.problems import Conflict, InvalidInput, NotFound, Refusal, TryLater
from passerelle_graphql.read_model import as_uuid, columns_of, in_sql, shape, shown
from passerelle_graphql.schema.enums import ActorKind, IdentityStatus


@strawberry.type(description="L'identité nationale de santé.")
class Ins:
    oid: str
    value: str


@in_sql(lambda key: leaf(shapes.quoted_id(Node.PATIENT)(key)))
def patient_id(value: UUID | str) -> strawberry.ID:
    return node_id(Node.PATIENT, as_uuid(value))


def _ins_in_sql(oid: Sql, value: Sql) -> Shape:
    fields = {"oid": leaf(shapes.free_text(oid)), "value": leaf(shapes.free_text(value))}
    return entity("Ins", fields, when=Sql(f"{oid} <> '' and {value} <> ''"))


@in_sql(_ins_in_sql)
def ins(oid: str | None, value: str | None) -> Ins | None:
    return Ins(oid=oid, value=value) if oid and value else None


@in_sql(lambda column: leaf(shapes.free_text(Sql(f"nullif({column}, '')"))))
def given(value: str | None) -> str | None:
    """A trait, or nothing when the source left it empty."""
    return value or None


@strawberry.type(description="Une identité enregistrée dans ce réseau.")
class Patient:
    id: strawberry.ID = shown("patient_id", by=patient_id)
    ins: Ins | None = shown("ins_oid", "ins_value", by=ins)
    identity_status: IdentityStatus = shown("ins_status", by=IdentityStatus)
    family_name: str | None = shown(by=given, description="Nom de naissance.")
    used_name: str | None = shown(by=given, description="Nom utilisé.")
    given_names: list[str] = shown()
    birth_date: str | None = shown(by=given, description="Telle que donnée (HL7), de toute précision.")
    sex: str | None = shown(by=given)
    birth_place: str | None = shown(by=given, description="Code INSEE.")


#: The columns of `patients.identity` that a patient is shown from.
IDENTITY = tuple(dict.fromkeys(name for each in columns_of(Patient).values() for name in each.names))


@strawberry.input(description="Un INS : OID et matricule.")
class InsInput:
    oid: str
    value: str = strawberry.field(directives=[Identifying()])


@strawberry.input(description="Les traits d'identité, en partie ou en entier.")
class TraitsInput:
    family_name: str = strawberry.field(directives=[Identifying()], description="Nom de naissance.")
    birth_date: str = strawberry.field(directives=[Identifying()], description="AAAAMMJJ.")
    used_name: str | None = strawberry.field(default=None, directives=[Identifying()])
    given_names: list[str] = strawberry.field(default_factory=list, directives=[Identifying()])
    sex: str | None = strawberry.field(default=None, description="M, F ou U.")
    birth_place: str | None = strawberry.field(default=None, directives=[Identifying()], description="Code INSEE.")


@strawberry.input(one_of=True, description="Un patient : par son INS exact, ou par assez de traits.")
class PatientLookup:
    ins: strawberry.Maybe[InsInput]
    traits: strawberry.Maybe[TraitsInput]


@strawberry.input(description="Une identité à enregistrer.")
class RegisterPatientInput:
    identifiers: list[InsInput]
    traits: TraitsInput
    identity_status: IdentityStatus
    source: str = strawberry.field(description="Ce qui établit l'identité : logiciel, pièce, téléservice.")


@strawberry.type(description="Une identité enregistrée, ou complétée si elle l'était déjà.")
class PatientRegistered:
    patient: Patient


PatientResult: TypeAlias = Annotated[
    Patient | NotFound | Refusal | InvalidInput | TryLater, strawberry.union("PatientResult")
]
RegisterPatientResult: TypeAlias = Annotated[
    PatientRegistered | Refusal | Conflict | InvalidInput | TryLater, strawberry.union("RegisterPatientResult")
]


@strawberry.type
class PatientQuery:
    @resolved("Chercher un patient. Chaque recherche est au journal et comptée ; par POST seulement.", cost=50)
    async def patient(self, info: ResolverInfo, by: PatientLookup) -> PatientResult:
        context = context_of(info)
        exact = _exact(by.ins.value) if by.ins is not None else None
        try:
            async with transaction(context) as act:
                found = await _looked_up(act, by, exact)
        except errors.Refused as refused:
            # By the role alone, whoever is sought; the code stays the one that the journal holds.
            if context.actor.kind is not ActorKind.PERSON or refused.code != "ACCESS_REFUSED":
                raise
            return Refusal(code=refused.code, message=messages.sentence("LOOKUP_FOR_PROFESSIONALS", {}))
        if found is None:
            return NotFound.of("PATIENT_NOT_FOUND")
        return shape(Patient, row_of(found))


_FOUND = "found"


@cache
def _frame(_needs: frozenset[str]) -> Frame:
    it = look_ups.look_up()
    told = func.json_build_object(literal("too_many"), it.found.c.too_many)
    is_found = it.found.c.patient_id.is_not(None)
    return Frame(
        lambda body: select(case((is_found, body)).label("body"), told.label("told")).select_from(it.found),
        [it.journal_line],
    )


def _parameters(asked: Asked, arguments: Given) -> Mapping[str, Any]:
    by: PatientLookup = arguments.root["by"]
    if by.ins is None:
        raise NotCompiled("a look-up by traits compares folded names")
    try:
        return look_ups.look_up_parameters(asked.context, _exact(by.ins.value))
    except errors.Refused as refused:
        raise NotCompiled("a refusal by the role is a line of its own") from refused


def _not_found(asked: Asked, told: Mapping[str, Any]) -> object:
    if told["too_many"]:
        raise look_ups.too_many_look_ups(asked.context)
    return NotFound.of("PATIENT_NOT_FOUND")


PATIENT = ReadRoot(
    name="patient",
    shows="Patient",
    fields=fields_of(Patient, building.row_of(_FOUND, IDENTITY)),
    frame=_frame,
    parameters=_parameters,
    otherwise=_not_found,
)


@strawberry.type
class PatientMutation:
    @resolved(
        "Enregistrer une identité ; celle qui l'était déjà est rendue, ce qui compte comme une recherche.", cost=50
    )
    async def register_patient(self, info: ResolverInfo, input: RegisterPatientInput) -> RegisterPatientResult:  # noqa: A002
        async with transaction(context_of(info)) as act:
            registered = await look_ups.register_and_show(
                act,
                [InsGiven(each.oid, each.value) for each in input.identifiers],
                traits(input.traits),
                input.identity_status,
                source=input.source,
            )
        return PatientRegistered(patient=shape(Patient, row_of(registered)))


def traits(told: TraitsInput) -> patients.Traits:
    """The traits of an input as the domain takes them."""
    return patients.Traits(
        family_name=told.family_name,
        used_name=told.used_name or "",
        given_names=tuple(told.given_names),
        birth_date=told.birth_date,
        sex=told.sex or "",
        birth_place=told.birth_place or "",
    )


def row_of(known: patients.Patient) -> Mapping[str, Any]:
    """A patient of the domain by the column names of the read model."""
    return {
        "patient_id": known.patient_id,
        "ins_oid": known.ins.oid if known.ins else None,
        "ins_value": known.ins.value if known.ins else None,
        "ins_status": known.status.value,
        "family_name": known.traits.family_name,
        "used_name": known.traits.used_name,
        "given_names": list(known.traits.given_names),
        "birth_date": known.traits.birth_date,
        "sex": known.traits.sex,
        "birth_place": known.traits.birth_place,
    }


def _exact(told: InsInput) -> InsGiven:
    """An INS to look for. Before the look-up: no one holds a malformed one, so that neither the journal nor the count
    has to know. Refused: INS_MALFORMED."""
    ins = InsGiven(told.oid, told.value)
    if "INS_MALFORMED" in check(ins):
        raise errors.InvalidInput("INS_MALFORMED")
    return ins


async def _looked_up(act: Act, by: PatientLookup, exact: InsGiven | None) -> patients.Patient | None:
    if exact is not None:
        return await look_ups.find_by_ins(act, exact)
    assert by.traits is not None  # noqa: S101 - `@oneOf` lets nothing else through
    return await look_ups.find_by_traits(act, traits(by.traits.value))
