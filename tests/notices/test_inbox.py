"""What somebody received about one patient, for the export of a record."""

from __future__ import annotations

from datetime import timedelta

from passerelle.audit.transactions import transaction
from passerelle.notices import inbox
from passerelle.notices.posting import NoticeKind, post
from tests.builders import World


async def test_one_s_notices_about_a_patient_are_his_alone_and_oldest_first(world: World) -> None:
    (child_id, child), (parent_id, parent) = await world.patient(), await world.patient()
    for who, patient_id, name in (
        (child, child_id, "A"),
        (parent, child_id, "B"),
        (parent, parent_id, "C"),
        (parent, child_id, "D"),
    ):
        said = {"name": name}
        async with transaction(world.context(child)) as act:
            await post(
                act, recipient=who.subject, key=name, kind=NoticeKind.NEWCOMER, patient_id=patient_id, about=said
            )
        world.clock.advance(timedelta(seconds=1))

    async with transaction(world.context(parent)) as act:
        of_child = [each.sentence for each in await inbox.about(act, child_id)]
        of_himself = [each.sentence for each in await inbox.about(act, parent_id)]

    assert [each[0] for each in of_child] == ["B", "D"]
    assert all("une personne que vous représentez" in each for each in of_child)
    assert [each.startswith("C a consulté votre dossier") for each in of_himself] == [True]
