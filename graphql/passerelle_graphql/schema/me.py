"""`me`: who the gateway believes is asking, and where."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import strawberry
from sqlalchemy import Boolean, Text, bindparam, cast, null, select

from passerelle.audit.transactions import transaction
from passerelle.identities import patients
from passerelle.kernel.context import Context
from passerelle_graphql.compiler import shapes
from passerelle_graphql.compiler.building import Shape, entity, leaf, needing, row_of
from passerelle_graphql.compiler.roots import Frame, Given, ReadRoot
from passerelle_graphql.compiler.shapes import Sql
from passerelle_graphql.context import Asked, ResolverInfo, context_of
from passerelle_graphql.declared import fields_of
from passerelle_graphql.fields import resolved
from passerelle_graphql.ids import Node, node_id
from passerelle_graphql.read_model import in_sql, shape, shown
from passerelle_graphql.schema.enums import ActorKind, Mode, Purpose
from passerelle_graphql.schema.values import CodedValue, coded
from passerelle_policies import nomenclatures


@strawberry.type(description="Le réseau auquel on s'adresse.")
class Network:
    id: strawberry.ID
    name: str
    is_test: bool


def _network_in_sql(id_: Sql, name: Sql, is_test: Sql) -> Shape:
    fields = {"id": shapes.free_text(id_), "name": shapes.free_text(name), "isTest": shapes.plain(is_test)}
    return entity("Network", {each: leaf(sql) for each, sql in fields.items()})


@in_sql(_network_in_sql)
def network(id_: str, name: str, is_test: bool) -> Network:
    return Network(id=strawberry.ID(id_), name=name, is_test=is_test)


@strawberry.type(description="Qui demande, d'où, pourquoi et comment : ce que la passerelle a retenu du jeton.")
class Me:
    kind: ActorKind = shown(by=ActorKind)
    name: str = shown()
    rpps: str | None = shown()
    profession: CodedValue | None = shown("profession", "profession_label", by=coded)
    specialty: CodedValue | None = shown("specialty", "specialty_label", by=coded)
    structure: str | None = shown("establishment", description="FINESS du lieu d'exercice retenu.")
    software: str | None = shown(description="Le logiciel qui agit pour l'acteur.")
    purpose: Purpose = shown(by=Purpose)
    mode: Mode = shown(by=Mode)
    network: Network = shown("network_id", "network_name", "network_is_test", by=network)

    @resolved("Pour une personne : son propre identifiant de patient dans ce réseau.")
    async def patient_id(self, info: ResolverInfo) -> strawberry.ID | None:
        context = context_of(info)
        if context.actor.kind is not ActorKind.PERSON:
            return None
        async with transaction(context) as act:
            found = await patients.of_person(act, context.actor.id)
        return node_id(Node.PATIENT, found) if found else None


@strawberry.type
class MeQuery:
    @resolved("Qui demande.")
    def me(self, info: ResolverInfo) -> Me:
        return shape(Me, _row(context_of(info)))


def _row(context: Context) -> dict[str, Any]:
    """What the context knows, by the column names of `Me`."""
    actor, tenant = context.actor, context.tenant
    profession = nomenclatures.profession(actor.profession) if actor.profession else None
    specialty = nomenclatures.specialty(actor.specialty) if actor.specialty else None
    return {
        "kind": actor.kind.value,
        "name": actor.name,
        "rpps": actor.id if actor.kind is ActorKind.PROFESSIONAL else None,
        "profession": actor.profession,
        "profession_label": profession.label if profession else None,
        "specialty": actor.specialty,
        "specialty_label": specialty.label if specialty else None,
        "establishment": actor.establishment,
        "software": actor.software,
        "purpose": context.purpose.value,
        "mode": context.mode.value,
        "network_id": tenant.id,
        "network_name": tenant.name,
        "network_is_test": tenant.is_test,
    }


_ASKING, _OWN = "asking", "own"
_TEXTS = (
    "kind",
    "name",
    "rpps",
    "profession",
    "profession_label",
    "specialty",
    "specialty_label",
    "establishment",
    "software",
    "purpose",
    "mode",
    "network_id",
    "network_name",
)
_COLUMNS = (*_TEXTS, "network_is_test")


@cache
def _frame(needs: frozenset[str]) -> Frame:
    """The context as a row; with the patient whom a person is, where the operation asks."""
    said = [cast(bindparam(f"me_{name}", type_=Text()), Text()).label(name) for name in _TEXTS]
    is_test = cast(bindparam("me_network_is_test", type_=Boolean()), Boolean()).label("network_is_test")
    asking = select(*said, is_test).cte(_ASKING)
    own = patients.who_is(bindparam("me_person", type_=Text())).cte(_OWN)
    return Frame(
        lambda body: select(body.label("body"), null().label("nothing")).select_from(asking),
        [asking, *([own] if _OWN in needs else [])],
    )


def _parameters(asked: Asked, _arguments: Given) -> Mapping[str, Any]:
    actor = asked.context.actor
    is_person = actor.kind is ActorKind.PERSON
    known = {f"me_{name}": value for name, value in _row(asked.context).items()}
    return {**known, "me_person": actor.id if is_person else None}


def _never(_asked: Asked, _told: object) -> object:
    raise AssertionError("whoever asks is somebody")


ME = ReadRoot(
    name="me",
    shows="Me",
    fields=fields_of(
        Me,
        row_of(_ASKING, _COLUMNS),
        patient_id=needing(_OWN, leaf(shapes.quoted_id(Node.PATIENT)(Sql(f"(select patient_id from {_OWN})")))),
    ),
    frame=_frame,
    parameters=_parameters,
    otherwise=_never,
)
