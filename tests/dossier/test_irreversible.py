"""Whatever is done in whatever order: once shown, a document is not hidden again, nor is it ever doubly hidden."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from passerelle.audit.transactions import transaction
from passerelle.dossier import documents, visibility
from passerelle.dossier.representation import RepresentationBasis, declare_representative
from passerelle.dossier.tables import document as filed_documents
from passerelle.kernel.actors import Actor
from passerelle.kernel.errors import Conflict, Refused
from tests.builders import World, document, ins_of, operator, professional

ACTS: dict[str, tuple[str, Callable[..., Awaitable[Any]]]] = {
    "mask": ("patient", visibility.mask),
    "unmask": ("patient", visibility.unmask),
    "hide from the patient": ("author", visibility.hide_from_patient),
    "show the patient": ("author", partial(visibility.show_to_patient, confirmed=True)),
    "hide from the representatives": ("author", visibility.hide_from_representatives),
    "show the representatives": ("patient", partial(visibility.show_to_representatives, confirmed=True)),
    "archive": ("author", visibility.archive),
    "unarchive": ("author", visibility.unarchive),
}
STEPS = (*ACTS, "the patient reads", "the representative reads", "twenty days go by")
NOTHING: dict[str, Any] = {}
HIDING = (NOTHING, {"masked": True}, {"hidden_from_patient": True}, {"hidden_from_representatives": True})
A_MONTH = ["twenty days go by"] * 2


@settings(
    max_examples=30,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(at_first=st.sampled_from(HIDING), steps=st.lists(st.sampled_from(STEPS), max_size=14))
@example(at_first=HIDING[2], steps=[*A_MONTH, "mask", "unmask", "hide from the patient"])
@example(at_first=HIDING[2], steps=["show the patient", "hide from the patient"])
@example(at_first=NOTHING, steps=["the representative reads", "hide from the representatives", "hide from the patient"])
async def test_once_shown_never_hidden_again(world: World, at_first: dict[str, Any], steps: list[str]) -> None:
    patient_id, person = await world.patient(born="20150302")
    people = {"patient": person, "author": professional(), "representative": world.person(ins_of(92_200))}
    async with transaction(world.context(operator())) as act:
        await declare_representative(
            act, patient_id, people["representative"].id, basis=RepresentationBasis.MINOR, proof="livret de famille"
        )
    filed = await world.publish(patient_id, document(author=people["author"], **at_first), by=people["author"])
    shown_to_him = shown_to_them = False
    before = await _row(world, filed)
    for step in steps:
        was_hidden, was_kept_from_them = _awaits(world, before), before.hidden_from_representatives
        if step == "twenty days go by":
            world.clock.advance(timedelta(days=20))
        elif step in ACTS:
            who, change = ACTS[step]
            with suppress(Refused, Conflict):
                async with transaction(world.context(people[who])) as act:
                    await change(act, filed)
        else:
            who = step.split()[1]
            has_read = await _reads(world, people[who], filed)
            shown_to_him |= has_read
            shown_to_them |= has_read and who == "representative"
        after = await _row(world, filed)
        shown_to_him |= was_hidden and not _awaits(world, after)
        shown_to_them |= was_kept_from_them and not after.hidden_from_representatives
        assert not (after.masked and after.hidden_from_patient)
        assert not (shown_to_him and _awaits(world, after)), (step, steps)
        assert not (shown_to_them and after.hidden_from_representatives), (step, steps)
        assert (after.hidden_since is not None) == after.hidden_from_patient
        before = after


def _awaits(world: World, row: Any) -> bool:
    return bool(row.hidden_from_patient and row.hidden_until > world.clock.now())


async def _reads(world: World, who: Actor, document_id: UUID) -> bool:
    try:
        await documents.read_document(world.context(who), document_id)
    except Refused:
        return False
    return True


async def _row(world: World, document_id: UUID) -> Any:
    async with world.tenant.database.transaction() as connection:
        found = await connection.execute(select(filed_documents).where(filed_documents.c.document_id == document_id))
    return found.one()
