"""Patients of one tenant, known by their INS.

Sources: référentiel INS (arrêté of 27 May 2021) for status and traits; CSP L.1111-8-1. Looking one up: `look_ups`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    Table,
    literal,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit import journal
from passerelle.audit.transactions import Act
from passerelle.identities.ins import IdentityStatus, Ins, check, current, is_test_oid
from passerelle.identities.tables import identity_warning, patient, patient_identifier
from passerelle.kernel.clock import legal_day
from passerelle.kernel.context import Context
from passerelle.kernel.errors import Conflict, InvalidInput, LimitExceeded, Refused
from passerelle_policies.decision import Decision, Facts, decide
from passerelle_policies.roles import role_of
from passerelle_policies.vocabulary import Action, Kind, Relation

_TRUST = {status: rank for rank, status in enumerate(IdentityStatus)}
_STRICT = frozenset({"family_name", "birth_date", "sex"})
# What an index must hold: an entry of a B-tree has some 2,700 octets.
_MAX_CHARACTERS = 256
_MAX_IDENTIFIERS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """The identity traits (traits d'identité) as a source gives them; dates in HL7 form, any precision."""

    family_name: str = ""
    used_name: str = ""
    given_names: tuple[str, ...] = ()
    birth_date: str = ""
    sex: str = ""
    birth_place: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """One registered identity."""

    patient_id: UUID
    ins: Ins | None
    status: IdentityStatus
    traits: Traits
    registered_at: datetime


def trusted_as(status: IdentityStatus, required: str) -> bool:
    """Whether an identity is trusted at least as far as `required` (a value of IdentityStatus)."""
    return _TRUST[status] >= _TRUST[IdentityStatus(required)]


def folded(name: str) -> str:
    """A name as it is searched: no accent, no case, letters only."""
    bare = unicodedata.normalize("NFKD", name).casefold()
    return "".join(each for each in bare if each.isalnum())[:_MAX_CHARACTERS]


def person_key(context: Context, ins: Ins) -> str:
    """The pseudonym of whoever holds this INS, however its matricule is written."""
    return context.tenant.keys.person_key(ins.oid, ins.matricule)


def identity() -> Table:
    """The selectable of identities, for a read model that shows one beside something else."""
    return patient


def is_person(patient_id: ColumnElement[Any], person_key: ColumnElement[Any]) -> ColumnElement[bool]:
    """SQL condition: the person is this patient."""
    return select(literal(1)).where(patient.c.patient_id == patient_id, patient.c.person_key == person_key).exists()


def who_is(person_key: ColumnElement[Any]) -> Select[Any]:
    """The identity of the patient who signs in under this pseudonym; one row or none."""
    return select(patient).where(patient.c.person_key == person_key)


def key_of(patient_id: UUID) -> ColumnElement[Any]:
    """SQL value: the pseudonym under which this patient signs in, if he has one."""
    return select(patient.c.person_key).where(patient.c.patient_id == patient_id).scalar_subquery()


async def register(
    act: Act, identifiers: Sequence[Ins], traits: Traits, status: IdentityStatus, *, source: str
) -> UUID:
    """Record an identity, or add what is new to the one that holds this INS; give its patient id.

    A wrong key, a missing key or differing traits are warnings on the identity, never a refusal
    (INS_KEY_WRONG, INS_WITHOUT_KEY, TRAITS_DIFFER…). Refused: actors whom the matrix does not let register;
    INS_MISSING when there is neither INS nor traits; INS_OID_FORBIDDEN for a test or demo OID in a tenant
    that is not a test tenant; VALUE_TOO_LONG, IDENTIFIERS_TOO_MANY.
    """
    context = act.context
    decided(context, Action.REGISTER)
    _bounded(identifiers, traits, source)
    ins = current(tuple(identifiers))
    if ins is not None and is_test_oid(ins.oid) and not context.tenant.is_test:
        raise InvalidInput("INS_OID_FORBIDDEN", oid=ins.oid)
    if ins is None and not (traits.family_name and traits.birth_date):
        raise InvalidInput("INS_MISSING")
    key = person_key(context, ins) if ins else None
    warnings = {code for each in identifiers for code in check(each)}
    known = await _known(act, key)
    patient_id = known.patient_id if known else await _inserted(act, key, ins, traits, status)
    if patient_id is None:  # registered by someone else in the same instant
        known = await _known(act, key)
        if known is None:
            raise Conflict("PATIENT_REGISTERED_TWICE")
        patient_id = known.patient_id
    if known is not None:
        warnings |= await _merged(act, known, traits, status)
        if known.ins_value is None and ins is not None:
            await act.connection.execute(
                update(patient).where(patient.c.patient_id == patient_id).values(ins_oid=ins.oid, ins_value=ins.value)
            )
    for each in identifiers:
        await act.connection.execute(
            upsert(patient_identifier)
            .values(patient_id=patient_id, oid=each.oid, value=each.value, is_dead=each.is_dead, seen_at=act.now)
            .on_conflict_do_nothing()
        )
    for code in sorted(warnings):
        await act.connection.execute(
            upsert(identity_warning)
            .values(patient_id=patient_id, warning_id=uuid4(), code=code, source=source, at=act.now)
            .on_conflict_do_nothing()
        )
    await journal.append(
        act.connection,
        context,
        line(decided(context, Action.REGISTER), Action.REGISTER, patient_id),
    )
    return patient_id


async def by_id(act: Act, patient_id: UUID) -> Patient | None:
    """The identity itself, for a use case that has already decided."""
    row = (await act.connection.execute(select(patient).where(patient.c.patient_id == patient_id))).one_or_none()
    return patient_of(row) if row else None


async def remembered(connection: AsyncConnection, keys: Mapping[UUID, str | None], at: datetime) -> set[UUID]:
    """Have patients who are not here any more, by id and person key and nothing else: whoever registers the INS again
    finds them, with what they had decided. Gives the ids that are nobody's all the same, for want of a key."""
    rows = [
        {"patient_id": each, "person_key": key, "ins_status": IdentityStatus.PROVISIONAL.value, "registered_at": at}
        for each, key in keys.items()
        if key is not None
    ]
    if rows:
        await connection.execute(upsert(patient).on_conflict_do_nothing(), rows)
    known = await connection.scalars(select(patient.c.patient_id).where(patient.c.patient_id.in_(list(keys))))
    return keys.keys() - set(known)


async def of_person(act: Act, person_key: str) -> UUID | None:
    """The patient id of a person who bears a token here, if he is a patient of this tenant."""
    row = await _known(act, person_key)
    return row.patient_id if row else None


async def _known(act: Act, person_key: str | None) -> Row[Any] | None:
    if person_key is None:
        return None
    found: Row[Any] | None = (await act.connection.execute(who_is(literal(person_key)))).one_or_none()
    return found


async def _inserted(act: Act, key: str | None, ins: Ins | None, traits: Traits, status: IdentityStatus) -> UUID | None:
    """A new identity; nothing when someone else's transaction has just registered this INS."""
    new = upsert(patient).values(
        patient_id=uuid4(),
        person_key=key,
        ins_oid=ins.oid if ins else None,
        ins_value=ins.value if ins else None,
        ins_status=status.value,
        family_name=traits.family_name,
        used_name=traits.used_name,
        given_names=list(traits.given_names),
        birth_date=traits.birth_date,
        sex=traits.sex,
        birth_place=traits.birth_place,
        search_name=folded(traits.family_name),
        registered_at=act.now,
    )
    done = await act.connection.execute(new.on_conflict_do_nothing().returning(patient.c.patient_id))
    row = done.one_or_none()
    return UUID(str(row.patient_id)) if row else None


async def _merged(act: Act, known: Row[Any], traits: Traits, status: IdentityStatus) -> set[str]:
    """Add what is new. A status is that of the traits it came with: a better one brings its traits along, and
    differing traits of no better status change nothing; either way they are a warning."""
    is_better = _TRUST[status] > _TRUST[IdentityStatus(known.ins_status)]
    given: dict[str, Any] = {
        "family_name": traits.family_name,
        "used_name": traits.used_name,
        "given_names": list(traits.given_names),
        "birth_date": traits.birth_date,
        "sex": traits.sex,
        "birth_place": traits.birth_place,
    }
    held = {name: getattr(known, name) for name in given}
    differs = any(given[name] and held[name] and folded(given[name]) != folded(held[name]) for name in _STRICT)
    warnings = {"TRAITS_DIFFER"} if differs else set()
    if differs and not is_better:
        return warnings
    changed: dict[str, Any] = {"ins_status": status.value} if is_better else {}
    changed |= {
        name: value for name, value in given.items() if value and (is_better or not held[name]) and value != held[name]
    }
    if "family_name" in changed:
        changed["search_name"] = folded(traits.family_name)
    if changed:
        done = await act.connection.execute(
            update(patient)
            .where(patient.c.patient_id == known.patient_id, patient.c.ins_status == known.ins_status)
            .values(**changed)
        )
        if done.rowcount == 0:  # someone else gave it a better status in the same instant: statuses only rise
            found = await act.connection.execute(select(patient).where(patient.c.patient_id == known.patient_id))
            return await _merged(act, found.one(), traits, status)
    return warnings


def _bounded(identifiers: Sequence[Ins], traits: Traits, source: str) -> None:
    if len(identifiers) > _MAX_IDENTIFIERS:
        raise LimitExceeded("IDENTIFIERS_TOO_MANY", limit=_MAX_IDENTIFIERS)
    given = {name: getattr(traits, name) for name in Traits.__dataclass_fields__ if name != "given_names"}
    given |= {"given_names": " ".join(traits.given_names), "source": source}
    given |= {f"identifiers[{index}]": max(each.oid, each.value, key=len) for index, each in enumerate(identifiers)}
    for name, value in given.items():
        if len(value) > _MAX_CHARACTERS:
            raise LimitExceeded("VALUE_TOO_LONG", field=name, limit=_MAX_CHARACTERS)


# What looking an identity up takes from here.


def decided(context: Context, action: Action) -> Decision:
    """Whether the actor may do so to identities, by his role alone. Refused, with its line: ACCESS_REFUSED."""
    facts = Facts(
        role=role_of(context.actor.profession, context.actor.kind),
        relations=frozenset({Relation.NONE}),
        blocked=False,
        dossier_state=None,
        mode=context.mode,
        purpose=context.purpose,
        day=legal_day(context.clock),
    )
    decision = decide(facts, Kind.PATIENT, action, overrides=context.tenant.parameters)
    if not decision.allowed:
        raise Refused(decision.code or "ACCESS_REFUSED", line=line(decision, action, journal.NOBODY))
    return decision


def line(decision: Decision, action: Action, patient_id: UUID) -> journal.Line:
    """The journal line of an act upon an identity."""
    return journal.Line(
        kind=Kind.PATIENT,
        action=action,
        outcome=journal.Outcome.ALLOWED if decision.allowed else journal.Outcome.REFUSED,
        rule=decision.rule,
        pack=decision.pack,
        patient_id=patient_id,
        code=decision.code,
    )


def patient_of(row: Row[Any]) -> Patient:
    """A row of `identity`."""
    return Patient(
        patient_id=row.patient_id,
        ins=Ins(row.ins_oid, row.ins_value) if row.ins_oid else None,
        status=IdentityStatus(row.ins_status),
        traits=Traits(
            family_name=row.family_name or "",
            used_name=row.used_name or "",
            given_names=tuple(row.given_names),
            birth_date=row.birth_date or "",
            sex=row.sex or "",
            birth_place=row.birth_place or "",
        ),
        registered_at=row.registered_at,
    )
