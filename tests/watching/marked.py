"""Marked people and papers, and values for whatever variable an operation declares: what must come out nowhere."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    is_required_input_field,
    parse,
    type_from_ast,
)

from passerelle.audit.transactions import transaction
from passerelle.dossier import lifecycle
from passerelle.identities import patients
from passerelle.identities.directory import Practice, Professional
from passerelle.identities.ins import IdentityStatus, Ins
from passerelle.kernel.clock import SetClock
from passerelle.kernel.context import Tenant
from passerelle_graphql.committed import committed
from passerelle_graphql.ids import Node, node_id
from passerelle_graphql.schema import schema
from passerelle_ops.demo.issuer import DemoIssuer
from passerelle_ops.installation import Installation
from tests import builders
from tests.gateway.serving import TENANT

MARK: Final = "MARQUE"
INS: Final = builders.ins_of(31_415)
CONTENT: Final = f"<p>{MARK}CONTENU</p>".encode()
SCHEMA: Final[GraphQLSchema] = schema._schema
#: What ends something, and comes last.
_ENDING: Final = ("Block", "Close", "Declare", "Delete", "Mask", "Move", "Object", "Purge", "Request", "Suspend")


def operations(texts: Mapping[str, str] | None = None) -> Iterator[tuple[str, OperationDefinitionNode]]:
    """Every committed operation, or those of `texts`, in an order in which much of it is answered."""
    found = [
        (name, each)
        for name, text in (committed() if texts is None else texts).items()
        for each in parse(text).definitions
        if isinstance(each, OperationDefinitionNode) and each.name is not None and each.name.value == name
    ]
    yield from sorted(found, key=lambda each: (not is_query(each[1]), each[0].startswith(_ENDING)))


def is_query(operation: OperationDefinitionNode) -> bool:
    return operation.operation is OperationType.QUERY


@dataclass(frozen=True, slots=True)
class Values:
    """What there is to name, and marks for the rest."""

    ins: Ins
    patient: str
    document: str
    rpps: str

    def of(self, operation: OperationDefinitionNode, *, everything: bool) -> dict[str, Any]:
        """Variables: those that an operation needs, or all it has."""
        given: dict[str, Any] = {}
        for declared in operation.variable_definitions or ():
            type_ = type_from_ast(SCHEMA, declared.type)
            is_needed = isinstance(type_, GraphQLNonNull) and declared.default_value is None
            if is_needed or everything:
                name = declared.variable.name.value
                given[name] = self._value(type_, name, everything)  # type: ignore[arg-type]
        return given

    def _value(self, type_: GraphQLInputType, name: str, everything: bool) -> Any:
        if isinstance(type_, GraphQLNonNull):
            return self._value(type_.of_type, name, everything)
        if isinstance(type_, GraphQLList):
            return [self._value(type_.of_type, name, everything)]
        if isinstance(type_, GraphQLEnumType):
            return next(iter(type_.values))
        if isinstance(type_, GraphQLInputObjectType):
            return self._object(type_, everything)
        return self._scalar(str(type_), name)

    def _object(self, type_: GraphQLInputObjectType, everything: bool) -> dict[str, Any]:
        if type_.name == "InsInput":
            return {"oid": self.ins.oid, "value": self.ins.value}
        wanted = {name: each for name, each in type_.fields.items() if everything or is_required_input_field(each)}
        if type_.extensions["strawberry-definition"].is_one_of:
            wanted = dict(list(type_.fields.items())[:1])
        return {name: self._value(each.type, name, everything) for name, each in wanted.items()}

    def _scalar(self, type_: str, name: str) -> Any:
        by_type: Mapping[str, Any] = {
            "Boolean": True,
            "Int": 1,
            "DateTime": "2026-11-10T08:00:00Z",
            "Date": "2026-11-10",
            "Decimal": "1",
            "Base64": base64.b64encode(CONTENT).decode(),
            "ID": self.patient if "atient" in name else self.document,
        }
        by_name: Mapping[str, str] = {
            "rpps": self.rpps,
            "value": self.ins.value,
            "oid": self.ins.oid,
            "birthDate": "19800115",
            "sex": "F",
            "mimeType": "text/plain",
            "typeCode": "11488-4",
        }
        return by_type[type_] if type_ in by_type else by_name.get(name, f"{MARK} {name} {self.ins.value}")


async def settled(tenant: Tenant, installation: Installation, issuer: DemoIssuer) -> tuple[Values, dict[str, str]]:
    """A patient, her doctor and her paper, all marked: what there is to name, and with which token each comes."""
    world = builders.World(tenant, SetClock(datetime.now(UTC)))
    doctor = builders.professional(name=f"{MARK}MEDECIN")
    known = Professional(
        rpps=doctor.id,
        family_name=f"{MARK}MEDECIN",
        given_name=f"{MARK}PRENOM",
        profession=builders.PHYSICIAN,
        practices=(Practice(tenant_id=TENANT),),
    )
    await installation.directory.register_professionals([known])
    named: dict[str, Any] = {"family_name": f"{MARK}NOM", "given_name": f"{MARK}PRENOM"}
    traits = patients.Traits(family_name=f"{MARK}NOM", given_names=(f"{MARK}PRENOM",), birth_date="19800115", sex="F")
    async with transaction(world.context(world.feeder)) as act:
        patient_id = await patients.register(act, [INS], traits, IdentityStatus.QUALIFIED, source="builder")
    person = world.person(INS, f"{MARK}NOM")
    async with transaction(world.context(person)) as act:
        await lifecycle.open_(act, patient_id, basis=lifecycle.Basis.CONSENT, proof=f"{MARK}PREUVE")
    await world.authorize(patient_id, person, doctor)
    paper = builders.document(author=doctor, title=f"{MARK}TITRE", content=CONTENT)
    document_id = await world.publish(patient_id, paper)
    values = Values(INS, node_id(Node.PATIENT, patient_id), node_id(Node.DOCUMENT, document_id), doctor.id)
    return values, {
        "patient": issuer.mint_person(oid=INS.oid, value=INS.value, **named),
        "doctor": issuer.mint_professional(rpps=doctor.id, profession=builders.PHYSICIAN, **named),
        "officer": issuer.mint_officer(network=TENANT, **named),
    }
