"""What a network files of a patient whose home is elsewhere is an entry of his record there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit.transactions import transaction
from passerelle.dossier import announcements, federated_documents, federated_marks, visibility, withholding
from passerelle.dossier.federated_columns import only
from passerelle.dossier.formats.submission import EventCode
from passerelle.kernel.errors import Conflict
from passerelle_tenants.federation.under_way import under_way
from tests.builders import document, operator, professional
from tests.federation.dossier_travels import Networks, carried, entry, sent, taken


async def test_an_entry_is_at_home_as_where_it_is_kept(both: Networks) -> None:
    _, at_home, away, _, _ = await both.patient()
    doctor = professional()
    about = (EventCode(code="DEQP003", system="1.2.250.1.213.2.5"),)
    document_id = await both.away.publish(away, document(author=doctor, event_codes=about))
    assert await carried(federated_documents, both.away, both.home, document_id) == ["applied"]
    kept, entered = await entry(both.away, document_id), await entry(both.home, document_id)
    its_own = {"patient_id", "origin", "content_name"}
    assert {name: value for name, value in entered.items() if name not in its_own} == {
        name: value for name, value in kept.items() if name not in its_own
    }
    assert (entered["patient_id"], entered["origin"], entered["content_name"]) == (at_home, "toulouse", "")


async def test_sent_again_it_changes_nothing(both: Networks) -> None:
    _, _, away, _, _ = await both.patient()
    document_id = await both.away.publish(away, document())
    items = await sent(federated_documents, both.away, [document_id])
    await taken(federated_documents, both.home, both.away, items)
    before = await entry(both.home, document_id)
    assert set((await taken(federated_documents, both.home, both.away, items)).values()) == {"applied"}
    assert await entry(both.home, document_id) == before


async def test_of_a_bundle_some_are_taken_in_as_all_are(both: Networks) -> None:
    _, _, away, _, _ = await both.patient()
    ids = [await both.away.publish(away, document()) for _ in range(3)]
    items = await sent(federated_documents, both.away, ids)
    for some in (ids[::2], ids[1:2]):
        chosen = only(items, {each.hex for each in some})
        assert await taken(federated_documents, both.home, both.away, chosen) == dict.fromkeys(some, "applied")


async def test_it_waits_for_the_record_at_home(both: Networks) -> None:
    away, _ = await both.away.patient()
    document_id = await both.away.publish(away, document())
    assert await carried(federated_documents, both.away, both.home, document_id) == ["later"]


async def test_one_uniqueid_names_one_content(both: Networks) -> None:
    _, at_home, away, _, _ = await both.patient()
    same, other = document(), document(unique_id="2.25.1")
    ours = await both.home.publish(at_home, same)
    await both.home.publish(at_home, document(unique_id="2.25.1", content=b"autre"))
    ids = [await both.away.publish(away, each) for each in (same, other, document())]
    assert await carried(federated_documents, both.away, both.home, *ids) == [
        "applied",
        "FEDERATION_UNIQUE_ID_TAKEN",
        "applied",
    ]
    assert (await entry(both.home, ours))["origin"] is None


async def test_what_is_masked_at_home_is_masked_where_it_is_kept(both: Networks) -> None:
    _, _, away, himself, himself_away = await both.patient()
    document_id = await both.away.publish(away, document())
    await carried(federated_documents, both.away, both.home, document_id)
    async with transaction(both.home.context(himself)) as act:
        await visibility.mask(act, document_id)
    assert not (await entry(both.away, document_id))["masked"]
    assert await carried(federated_marks, both.home, both.away, document_id) == ["applied"]
    assert (await entry(both.away, document_id))["masked"]
    with pytest.raises(Conflict, match="MASK_DECIDED_AT_HOME"):
        async with transaction(both.away.context(himself_away)) as act:
            await visibility.unmask(act, document_id)
    assert (await entry(both.away, document_id))["masked"]
    async with transaction(both.home.context(himself)) as act:
        await visibility.unmask(act, document_id)
    await carried(federated_marks, both.home, both.away, document_id)
    assert not (await entry(both.away, document_id))["masked"]


async def test_what_is_kept_from_a_professional_is_kept_from_him_everywhere(both: Networks) -> None:
    _, _, away, himself, _ = await both.patient()
    document_id = await both.away.publish(away, document())
    await carried(federated_documents, both.away, both.home, document_id)
    curious = professional()
    async with transaction(both.home.context(himself)) as act:
        await withholding.withhold(act, document_id, curious.id)
    await carried(federated_marks, both.home, both.away, document_id)
    subject = f"professional:{curious.id}"
    async with transaction(both.away.context(himself)) as act:
        assert await withholding.kept_from_some(act, away) == {document_id: {subject}}
    async with transaction(both.home.context(himself)) as act:
        await withholding.lift(act, document_id, curious.id)
    await carried(federated_marks, both.home, both.away, document_id)
    async with transaction(both.away.context(himself)) as act:
        assert await withholding.kept_from_some(act, away) == {}


async def test_a_version_is_no_more_visible_than_the_one_before(both: Networks) -> None:
    _, at_home, away, himself, _ = await both.patient()
    first = document()
    document_id = await both.away.publish(away, first)
    await carried(federated_documents, both.away, both.home, document_id)
    curious = professional()
    async with transaction(both.home.context(himself)) as act:
        await visibility.mask(act, document_id)
        await withholding.withhold(act, document_id, curious.id)
    # Its origin has not heard of it.
    second = await both.away.publish(away, document(replaces=first.metadata.unique_id))
    await carried(federated_documents, both.away, both.home, second)
    assert (await entry(both.home, second))["masked"]
    assert (await entry(both.home, document_id))["superseded_by"] == second
    async with transaction(both.home.context(himself)) as act:
        assert (await withholding.kept_from_some(act, at_home)).keys() == {document_id, second}
    await carried(federated_marks, both.home, both.away, document_id, second)
    assert (await entry(both.away, second))["masked"]
    async with transaction(both.away.context(himself)) as act:
        assert (await withholding.kept_from_some(act, away)).keys() == {document_id, second}


async def test_what_another_network_keeps_is_not_ended_here(both: Networks) -> None:
    author = professional()
    _, at_home, away, himself, _ = await both.patient()
    filed = document(author=author)
    document_id = await both.away.publish(away, filed)
    await carried(federated_documents, both.away, both.home, document_id)
    await both.home.authorize(at_home, himself, author)
    before = await entry(both.home, document_id)
    with pytest.raises(Conflict, match="DOCUMENT_KEPT_ELSEWHERE"):
        async with transaction(both.home.context(author)) as act:
            await visibility.delete(act, document_id)
    with pytest.raises(Conflict, match="DOCUMENT_KEPT_ELSEWHERE"):
        await both.home.publish(at_home, document(author=author, replaces=filed.metadata.unique_id), author)
    assert await entry(both.home, document_id) == before


async def test_only_home_tells_of_an_announcement(both: Networks) -> None:
    _, _, away, himself, himself_away = await both.patient()
    document_id = await both.away.publish(away, document(hidden_from_patient=True))
    await carried(federated_documents, both.away, both.home, document_id)

    async def from_away(_connection: AsyncConnection, patient_ids: Sequence[UUID]) -> Sequence[UUID]:
        return [each for each in patient_ids if each == away]

    for days, expected in ((15, ["announcement_due"]), (20, ["announcement_shown", "announcement_due"])):
        both.home.clock.advance(timedelta(days=days))
        for world in (both.away, both.home):
            await announcements.announce(world.context(operator()), from_away)
        assert await both.home.notices(himself) == expected
        assert await both.away.notices(himself_away) == []
    # Past its term it hides no more where it is kept either; home says so.
    assert (await entry(both.away, document_id))["hidden_from_patient"]
    await carried(federated_marks, both.home, both.away, document_id)
    assert not (await entry(both.away, document_id))["hidden_from_patient"]
    assert not (await entry(both.home, document_id))["hidden_from_patient"]


async def test_who_masked_and_the_patient_see_where_it_is_on_its_way(both: Networks) -> None:
    _, at_home, away, himself, _ = await both.patient()
    author, reader = professional(), professional()
    document_id = await both.away.publish(away, document(author=author))
    await carried(federated_documents, both.away, both.home, document_id)
    await both.home.authorize(at_home, himself, reader)
    async with transaction(both.home.context(author)) as act:
        await visibility.archive(act, document_id)
    for who, expected in ((author, ["toulouse"]), (himself, ["toulouse"]), (reader, [])):
        assert [each.network for each in await under_way(both.home.context(who), document_id)] == expected


async def test_what_was_fed_to_both_is_one_document_that_home_decides_of(both: Networks) -> None:
    _, at_home, away, himself, himself_away = await both.patient()
    same = document()
    ours, theirs = await both.home.publish(at_home, same), await both.away.publish(away, same)
    curious = professional()
    assert await carried(federated_documents, both.away, both.home, theirs) == ["applied"]
    async with transaction(both.home.context(himself)) as act:
        await visibility.mask(act, ours)
        await withholding.withhold(act, ours, curious.id)
    assert [each.network for each in await under_way(both.home.context(himself), ours)] == ["toulouse"]
    assert await carried(federated_marks, both.home, both.away, ours) == ["applied"]
    assert (await entry(both.away, theirs))["masked"]
    async with transaction(both.away.context(himself_away)) as act:
        assert (await withholding.kept_from_some(act, away)).keys() == {theirs}
    async with transaction(both.home.context(himself)) as act:
        await visibility.unmask(act, ours)
    await carried(federated_marks, both.home, both.away, ours)
    assert not (await entry(both.away, theirs))["masked"]
