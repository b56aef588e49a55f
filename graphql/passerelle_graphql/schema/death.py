"""A patient's death, and those who may ask for something of his record afterwards (CSP L.1110-4 V)."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated, TypeAlias

import strawberry

from passerelle.audit.transactions import transaction
from passerelle.dossier import death, heirs
from passerelle.identities import patients
from passerelle.identities.ins import Ins
from passerelle_graphql.context import ResolverInfo, context_of
from passerelle_graphql.directives import Identifying
from passerelle_graphql.fields import resolved
from passerelle_graphql.ids import Node, key_of, node_id
from passerelle_graphql.problems import Conflict, InvalidInput, Refusal, TryLater
from passerelle_graphql.read_model import shape, shown
from passerelle_graphql.schema.authorizations import Ended, EndResult
from passerelle_graphql.schema.enums import HeirLink, HeirMotive
from passerelle_graphql.schema.patients import InsInput, patient_id


@strawberry.type(description="Ce qui est enregistré d'un décès ; sans jour, une déclaration annulée.")
class Death:
    patient_id: strawberry.ID = shown("patient_id", by=patient_id)
    deceased_on: date | None = shown()


@strawberry.type(description="Qui peut demander une partie du dossier d'une personne décédée, et jusqu'à quand.")
class Heir:
    id: strawberry.ID = shown(by=lambda key: node_id(Node.RELATION, key))
    link: HeirLink = shown("basis", by=HeirLink)
    since: datetime = shown()
    until: datetime | None = shown(description="Exclu.")


@strawberry.type(description="L'opposition du patient aux demandes de ses ayants droit.")
class HeirsObjection:
    since: datetime


DeathResult: TypeAlias = Annotated[
    Death | Refusal | Conflict | InvalidInput | TryLater, strawberry.union("DeathResult")
]
HeirResult: TypeAlias = Annotated[Heir | Refusal | Conflict | InvalidInput | TryLater, strawberry.union("HeirResult")]
HeirsObjectionResult: TypeAlias = Annotated[
    HeirsObjection | Refusal | Conflict | InvalidInput | TryLater, strawberry.union("HeirsObjectionResult")
]


def _told(after: death.Death) -> Death:
    """Not the state of the record: whoever may declare a death need not know whether there is one."""
    return shape(Death, {"patient_id": after.patient_id, "deceased_on": after.deceased_on})


@strawberry.type
class DeathMutation:
    @resolved("Déclarer le décès : le dossier se ferme, les droits d'y entrer prennent fin.", cost=10)
    async def declare_death(self, info: ResolverInfo, patient_id: strawberry.ID, on: date, proof: str) -> DeathResult:
        key = key_of(Node.PATIENT, patient_id)
        async with transaction(context_of(info)) as act:
            return _told(await death.declare(act, key, on=on, proof=proof))

    @resolved("Annuler une déclaration de décès faite par erreur ; pour l'exploitant.", cost=10)
    async def undo_death(self, info: ResolverInfo, patient_id: strawberry.ID, proof: str) -> DeathResult:
        key = key_of(Node.PATIENT, patient_id)
        async with transaction(context_of(info)) as act:
            return _told(await death.undo(act, key, proof=proof))

    @resolved("Enregistrer un ayant droit, par son INS ; pour l'exploitant, preuve vérifiée.", cost=10)
    async def declare_heir(
        self,
        info: ResolverInfo,
        patient_id: strawberry.ID,
        heir: Annotated[InsInput, strawberry.argument(directives=[Identifying()])],
        link: HeirLink,
        proof: str,
        motive: HeirMotive | None = None,
    ) -> HeirResult:
        context, key = context_of(info), key_of(Node.PATIENT, patient_id)
        person = patients.person_key(context, Ins(heir.oid, heir.value))
        async with transaction(context) as act:
            grant = await heirs.declare_heir(act, key, person, link=link, motive=motive, proof=proof)
        return shape(Heir, asdict(grant))

    @resolved("S'opposer de son vivant à ce que ses ayants droit demandent quoi que ce soit.", cost=10)
    async def object_to_heirs(self, info: ResolverInfo, patient_id: strawberry.ID) -> HeirsObjectionResult:
        key = key_of(Node.PATIENT, patient_id)
        async with transaction(context_of(info)) as act:
            return HeirsObjection(since=await heirs.object_to_heirs(act, key))

    @resolved("Renoncer à cette opposition.", cost=10)
    async def withdraw_objection_to_heirs(self, info: ResolverInfo, patient_id: strawberry.ID) -> EndResult:
        key = key_of(Node.PATIENT, patient_id)
        async with transaction(context_of(info)) as act:
            return Ended(count=await heirs.withdraw_objection_to_heirs(act, key))
