"""A patient takes away what was said of him to other networks; a purged record leaves nothing of it, here or there."""

from __future__ import annotations

from sqlalchemy import select

from passerelle.dossier import lifecycle, remains
from passerelle.oncology import portability
from passerelle.oncology.recourse import ReferralState
from passerelle.oncology.tables import recourse_referral
from passerelle_ops.erasing import bind_erasing
from tests.oncology.recourse.two_networks import Between


async def test_a_purged_record_leaves_nothing_of_a_referral_on_either_side(between: Between) -> None:
    home, there = await between.home.meeting(), await between.there.meeting("recourse")
    sent = await between.refer(home, there)
    await between.travel()
    portion = await between.home.do(home.person, portability.taken_away, home.patient_id)
    (told,) = portion.data["referrals"]
    assert (told["caseId"], told["toNetwork"], told["state"]) == (home.case_id, there.world.tenant.id, "received")
    assert told["sentAt"] <= told["receivedAt"]
    assert (await between.row(sent.referral_id)).sealed is not None

    bind_erasing(between.subscribers, between.home.clock)
    async with between.home.act(home.person) as act:
        await lifecycle.close(act, home.patient_id)
        await lifecycle.purge(act, home.patient_id, basis=lifecycle.Basis.REQUEST, proof="lettre")
    await between.travel()
    lent = await between.row(sent.referral_id)
    assert (lent.sealed, lent.wrapped_key, lent.opinion, lent.declined_because) == (None, None, None, None)
    async with between.home.tenant.database.transaction() as connection:
        found = select(recourse_referral).where(recourse_referral.c.referral_id == sent.referral_id)
        kept = (await connection.execute(found)).one()
    assert (kept.state, kept.sent_by, kept.declined_because) == (ReferralState.WITHDRAWN, remains.ERASED, None)
