"""From who an actor is, and from where he acts, to the role and the setting that the matrix knows him by."""

from __future__ import annotations

from collections.abc import Mapping

from passerelle_policies import nomenclatures
from passerelle_policies.vocabulary import ActorKind, Relation, Role, Setting

_BY_KIND: Mapping[ActorKind, Role] = {
    ActorKind.PERSON: Role.PERSON,
    ActorKind.ESTABLISHMENT: Role.ESTABLISHMENT,
    ActorKind.OFFICER: Role.DATA_PROTECTION_OFFICER,
    ActorKind.AUTHORITY: Role.HEALTH_AUTHORITY,
    ActorKind.NETWORK: Role.CANCER_NETWORK,
    ActorKind.SYSTEM: Role.SYSTEM,
}

HEALTH_ROLES = frozenset(
    {
        Role.PHYSICIAN,
        Role.PHARMACIST,
        Role.NURSE,
        Role.DENTIST,
        Role.MIDWIFE,
        Role.PHYSIOTHERAPIST,
        Role.OTHER_HEALTH,
    }
)
PROFESSIONAL_ROLES = HEALTH_ROLES | {Role.SOCIAL_WORKER, Role.SECRETARY, Role.OTHER}

_OF_PROFESSIONALS = frozenset(
    {
        Relation.CARE_TEAM,
        Relation.AUTHORIZED,
        Relation.AUTHOR,
        Relation.EMERGENCY,
        Relation.ESTABLISHMENT_CARE,
        Relation.BOARD_MEMBER,
        Relation.CASE_REQUESTER,
        Relation.SUCCESSOR,
        Relation.NONE,
    }
)


def relations_of(role: Role) -> frozenset[Relation]:
    """The relations that someone of `role` may have to a patient; a rule under any other is never asked."""
    match role:
        case Role.PERSON:
            return frozenset({Relation.PATIENT, Relation.REPRESENTATIVE, Relation.HEIR, Relation.AUTHOR, Relation.NONE})
        case Role.ESTABLISHMENT:
            return frozenset({Relation.AUTHOR, Relation.ESTABLISHMENT_CARE, Relation.NONE})
        case Role.SYSTEM | Role.DATA_PROTECTION_OFFICER | Role.HEALTH_AUTHORITY | Role.CANCER_NETWORK:
            return frozenset({Relation.NONE})
        case Role.PHYSICIAN:
            return _OF_PROFESSIONALS | {Relation.ATTENDING_PHYSICIAN, Relation.BOARD_COORDINATOR}
        case Role.SECRETARY:
            return _OF_PROFESSIONALS | {Relation.BOARD_SECRETARY}
        case Role.PHARMACIST:
            return _OF_PROFESSIONALS | {Relation.PATIENT_PRESENT}
        case _:
            return _OF_PROFESSIONALS


def role_of(profession_code: str | None, actor_kind: ActorKind) -> Role:
    """The role of an actor: from his profession for a professional, from his kind otherwise.

    A professional whose code is absent, unknown or no longer in force is `OTHER`, to whom nothing is granted.
    """
    by_kind = _BY_KIND.get(actor_kind)
    if by_kind is not None:
        return by_kind
    profession = nomenclatures.profession(profession_code) if profession_code else None
    if profession is None or not profession.is_in_force:
        return Role.OTHER
    return profession.role


def setting_of(facility_type: str | None) -> Setting:
    """The setting of an establishment, from its category (JDV_J02); NONE when that is not known."""
    if facility_type is None or nomenclatures.facility_type(facility_type) is None:
        return Setting.NONE
    return nomenclatures.settings().get(facility_type, Setting.TOWN)
