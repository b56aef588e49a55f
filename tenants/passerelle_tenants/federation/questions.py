"""What one network asks another as somebody waits: who asks, why, and what of.

A question is an envelope like those that the broker carries (`envelopes`): signed by the network that asks, sealed to
the one that answers, believed for `federation.question_seconds`. So is the answer (docs/decisions/0132).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

from passerelle.audit.transactions import transaction
from passerelle.identities import patients
from passerelle.identities.ins import TEST_OIDS, Ins
from passerelle.kernel.actors import Actor
from passerelle.kernel.context import Context
from passerelle.kernel.errors import Refused
from passerelle_policies.vocabulary import ActorKind, Mode, Purpose
from passerelle_tenants.federation import envelopes
from passerelle_tenants.federation.envelopes import ANSWER, QUESTION, Bundle, Unopened
from passerelle_tenants.federation.office import Office

RECORD, CONTENT = "record", "content"
_SAID: Final = "said"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What was asked, opened: `context` is of the network that answers, in the name of who asks elsewhere."""

    from_tenant: str
    bundle_id: str
    context: Context
    what: str
    said: Mapping[str, Any]


async def asked(office: Office, to_tenant: str, context: Context, what: str, said: Mapping[str, Any]) -> bytes:
    """A question as an envelope, in the name of the actor of `context`. Raises `envelopes.Unsealable`."""
    body = {
        "what": what,
        "purpose": context.purpose.value,
        "mode": context.mode.value,
        "request": context.request_id,
        "actor": await _actor_said(context),
        **said,
    }
    return await _sealed(office, to_tenant, QUESTION, uuid4().hex, body)


async def opened(office: Office, envelope: bytes) -> Question:
    """Open a question. Raises `Unopened`, also for one that is too old; `Refused` ACTOR_UNKNOWN_HERE.

    A professional is believed whom the directory knows in the network that asks; a person, whose identity is here.
    """
    from_tenant, bundle_id, said = await _read(office, envelope, QUESTION)
    try:
        context = Context(
            tenant=office.tenant,
            actor=await _actor(office, from_tenant, said["actor"]),
            clock=office.clock,
            request_id=str(said["request"])[:64],
            purpose=Purpose(said["purpose"]),
            mode=Mode(said["mode"]),
            directory=office.directory,
        )
        return Question(from_tenant=from_tenant, bundle_id=bundle_id, context=context, what=said["what"], said=said)
    except (KeyError, TypeError, ValueError) as wrong:
        raise Unopened("form") from wrong


async def answered(office: Office, question_id: str, to_tenant: str, said: Mapping[str, Any]) -> bytes:
    """The answer to a question as an envelope to whoever asked it."""
    return await _sealed(office, to_tenant, ANSWER, question_id, said)


async def read_answer(office: Office, from_tenant: str, envelope: bytes) -> Mapping[str, Any]:
    """Open what `from_tenant` answered. Raises `Unopened`."""
    sender, _, said = await _read(office, envelope, ANSWER)
    if sender != from_tenant:
        raise Unopened("from")
    return said


async def _sealed(office: Office, to_tenant: str, kind: str, bundle_id: str, said: Mapping[str, Any]) -> bytes:
    parts = {_SAID: json.dumps(said, separators=(",", ":")).encode()}
    return await envelopes.seal(office, to_tenant, Bundle(kind=kind, bundle_id=bundle_id, parts=parts))


async def _read(office: Office, envelope: bytes, kind: str) -> tuple[str, str, dict[str, Any]]:
    found = await envelopes.open_(office, envelope)
    if found.bundle.kind != kind:
        raise Unopened("form")
    if abs(office.clock.now() - found.sent_at) > timedelta(seconds=office.number("federation.question_seconds")):
        raise Unopened("late")
    try:
        said = json.loads(found.bundle.parts[_SAID])
    except (KeyError, ValueError) as wrong:
        raise Unopened("form") from wrong
    if not isinstance(said, dict):
        raise Unopened("form")
    return found.from_tenant, found.bundle.bundle_id, said


async def _actor_said(context: Context) -> dict[str, Any]:
    actor = context.actor
    said = {"kind": actor.kind.value, "id": actor.id, "name": actor.name, "establishment": actor.establishment}
    if actor.kind is ActorKind.PROFESSIONAL:
        return {**said, "is_student": actor.profession is None}
    if actor.kind is ActorKind.PERSON:
        async with transaction(context) as act:
            patient_id = await patients.of_person(act, actor.id)
            himself = await patients.by_id(act, patient_id) if patient_id is not None else None
        if himself is None or himself.ins is None:
            raise Refused("ACTOR_UNKNOWN_HERE")
        # His pseudonym is this network's own: the other one knows him by his INS.
        return {**said, "id": "", "ins": {"oid": himself.ins.oid, "value": himself.ins.value}}
    raise Refused("ACTOR_UNKNOWN_HERE")


async def _actor(office: Office, from_tenant: str, said: Mapping[str, Any]) -> Actor:
    kind = ActorKind(said["kind"])
    if kind is ActorKind.PERSON:
        ins = Ins(said["ins"]["oid"], said["ins"]["value"])
        if ins.oid in TEST_OIDS and not office.tenant.is_test:
            raise Refused("ACTOR_UNKNOWN_HERE")
        return Actor(kind=kind, id=office.tenant.keys.person_key(ins.oid, ins.matricule), name=str(said["name"])[:200])
    known = await office.directory.professional(str(said["id"])) if kind is ActorKind.PROFESSIONAL else None
    places = [each.finess for each in known.practices_in(from_tenant)] if known is not None else []
    if known is None or not known.is_active or not places:
        raise Refused("ACTOR_UNKNOWN_HERE")
    place = said["establishment"] if said["establishment"] in places else None
    return Actor(
        kind=kind,
        id=known.rpps,
        name=known.name,
        profession=None if said["is_student"] else known.profession,
        specialty=None if said["is_student"] else known.specialty,
        establishment=place,
        setting=await office.directory.setting_of(place),
    )
