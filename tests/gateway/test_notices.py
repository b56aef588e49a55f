"""The inbox through the gateway: one's own notices, page by page, and nobody else's."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import text

from passerelle.audit.transactions import transaction
from passerelle.notices.posting import NoticeKind, post
from passerelle_graphql.ids import Node, key_of, node_id
from tests.gateway.records import Record, new_record, send
from tests.gateway.serving import Serving


async def _post(serving: Serving, record: Record, key: str, *, to: Record | None = None) -> None:
    context = serving.world.context(serving.world.feeder)
    async with transaction(context) as act:
        await post(
            act,
            recipient=(to or record).person.subject,
            key=key,
            kind=NoticeKind.NEWCOMER,
            patient_id=record.patient_id,
            about={"name": f"Dr {key}"},
        )
    serving.world.clock.advance(timedelta(seconds=1))


async def _lines(serving: Serving) -> int:
    async with serving.world.tenant.database.transaction() as connection:
        return int((await connection.execute(text("select count(*) from journal"))).scalar_one())


def _said(answer: dict[str, Any]) -> list[str]:
    return [each["node"]["sentence"].split(" a consulté")[0] for each in answer["edges"]]


async def test_the_inbox_shows_its_owner_s_notices_newest_first(serving: Serving) -> None:
    record = await new_record(serving)
    other = await new_record(serving)
    for key in ("A", "B", "C"):
        await _post(serving, record, key)
    await _post(serving, other, "D")
    lines = await _lines(serving)

    first = await send(record.patient, "Notices", first=2)
    assert (_said(first), first["unread"], first["pageInfo"]["hasNextPage"]) == (["Dr C", "Dr B"], 3, True)
    rest = await send(record.patient, "Notices", first=2, after=first["pageInfo"]["endCursor"])
    assert (_said(rest), rest["pageInfo"]["hasNextPage"]) == (["Dr A"], False)
    assert {each["node"]["patientId"] for each in first["edges"]} == {record.id}
    assert _said(await send(other.patient, "Notices")) == ["Dr D"]
    assert (await send(record.doctor, "Notices"))["edges"] == []
    assert await _lines(serving) == lines


async def test_a_notice_is_read_once_and_leaves_its_receipt(serving: Serving) -> None:
    record = await new_record(serving)
    await _post(serving, record, "A")
    await _post(serving, record, "B")
    newest = (await send(record.patient, "Notices"))["edges"][0]["node"]

    read = await send(record.patient, "MarkNoticeRead", id=newest["id"])
    serving.world.clock.advance(timedelta(hours=1))
    again = await send(record.patient, "MarkNoticeRead", id=newest["id"])

    assert read["readAt"] is not None
    assert again["readAt"] == read["readAt"]
    unread = await send(record.patient, "Notices", unreadOnly=True)
    assert (_said(unread), unread["unread"]) == (["Dr A"], 1)
    async with serving.world.tenant.database.transaction() as connection:
        proofs = await connection.execute(
            text("select channel, count(*) from notice_delivery where notice_id = :id group by channel"),
            {"id": key_of(Node.NOTICE, newest["id"])},
        )
        assert {row[0]: row[1] for row in proofs} == {"inbox": 1, "inbox_read": 1}


async def test_who_acts_for_the_patient_is_told_so(serving: Serving) -> None:
    child, parent = await new_record(serving), await new_record(serving)
    await _post(serving, child, "A")
    await _post(serving, child, "A", to=parent)

    (own,) = (await send(child.patient, "Notices"))["edges"]
    (for_child,) = (await send(parent.patient, "Notices"))["edges"]

    assert "votre dossier" in own["node"]["sentence"]
    assert "une personne que vous représentez" in for_child["node"]["sentence"]
    assert (await send(parent.patient, "MarkNoticeRead", id=for_child["node"]["id"]))["sentence"] == (
        for_child["node"]["sentence"]
    )
    assert for_child["node"]["patientId"] == child.id


async def test_somebody_else_s_notice_is_answered_as_one_that_does_not_exist(serving: Serving) -> None:
    record = await new_record(serving)
    await _post(serving, record, "A")
    (edge,) = (await send(record.patient, "Notices"))["edges"]

    theirs = await send(record.doctor, "MarkNoticeRead", id=edge["node"]["id"])
    nothing = await send(record.doctor, "MarkNoticeRead", id=node_id(Node.NOTICE, record.patient_id))

    assert theirs == nothing
    assert (theirs["__typename"], theirs["code"]) == ("NotFound", "NOTICE_UNKNOWN")
    assert (await send(record.patient, "Notices"))["unread"] == 1


async def test_what_is_no_cursor_and_no_id_is_said_to_be_none(serving: Serving) -> None:
    record = await new_record(serving)
    for cursor in ("x", "MjAyNi0xMS0xNlQwOTowMDowMHx4", "MjAyNi0xMS0xNnww"):
        assert (await send(record.patient, "Notices", after=cursor))["code"] == "CURSOR_INVALID"
    assert (await send(record.patient, "Notices", first=0))["code"] == "PAGE_SIZE_INVALID"
    assert (await send(record.patient, "MarkNoticeRead", id=record.id))["code"] == "ID_INVALID"
