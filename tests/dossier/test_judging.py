"""What is bound for a reading: kept for an actor's day, and nobody else's nor another day's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from passerelle.audit import journal
from passerelle.dossier import access, judging, reach
from passerelle.kernel.actors import Actor
from passerelle.kernel.clock import SetClock
from passerelle.kernel.context import Context
from passerelle.kernel.database import Database
from passerelle.kernel.pipeline_values import written
from passerelle_policies.vocabulary import Action, ActorKind, Kind, Mode, Purpose, Setting
from tests.builders import World, network, operator

PHYSICIAN = Actor(kind=ActorKind.PROFESSIONAL, id="99900000017", name="Ana", profession="10", establishment="310783055")
ACTORS = (
    PHYSICIAN,
    replace(PHYSICIAN, id="99900000025"),
    replace(PHYSICIAN, name="Anne"),
    replace(PHYSICIAN, profession="21", setting=Setting.PHARMACY),
    replace(PHYSICIAN, establishment=None, software="logiciel"),
    replace(PHYSICIAN, kind=ActorKind.PERSON),
)


def contexts(world: World, clock: SetClock) -> Iterable[Context]:
    """All that tells one reading from another, in turns."""
    modes, purposes = (Mode.NORMAL, Mode.REGULATION_CENTRE), (Purpose.CARE, Purpose.COORDINATION)
    for days, actor, mode, purpose in product((0, 1, 400), ACTORS, modes, purposes):
        for parameters in ({}, {"block.yields_to_regulation_centre": False}):
            context = replace(world.context(actor, mode=mode, purpose=purpose), request_id=uuid4().hex)
            yield replace(
                context,
                tenant=replace(context.tenant, parameters=parameters),
                clock=SetClock(clock.now() + timedelta(days=days)),
            )


def made_anew(context: Context, kind: Kind, patient_id: UUID, action: Action) -> Mapping[str, Any]:
    return {
        **access.facts_parameters(context),
        **reach.verdict_parameters(context, kind, action),
        **journal.parameters(context),
        "access_patient_id": patient_id,
    }


def test_what_is_kept_is_what_would_be_made_anew(clock: SetClock, tmp_path: Path) -> None:
    world = World(network(Database("postgresql://nobody@127.0.0.1:1/none"), tmp_path), clock)
    for _ in range(2):  # made, then kept
        for context in (*contexts(world, clock), world.context(operator())):
            for kind, action in ((Kind.DOSSIER, Action.READ), (Kind.RECALL, Action.REVIEW)):
                patient_id = uuid4()
                given = judging.parameters(context, kind, patient_id, action=action)
                anew = made_anew(context, kind, patient_id, action)
                assert given.keys() == anew.keys()
                assert written([given[name] for name in anew]) == written(list(anew.values()))
