"""`notices` by one statement: the bearer's own inbox, page by page, as Strawberry gives it."""

from __future__ import annotations

import json
from datetime import timedelta

from passerelle.audit.transactions import transaction
from passerelle.dossier import emergencies, objections, relations
from passerelle.notices import inbox
from passerelle.notices.kinds import NoticeKind
from passerelle_policies.vocabulary import Mode
from tests import builders
from tests.gateway.alike import WHY, alike
from tests.gateway.records import Record
from tests.gateway.serving import Serving

QUERY = (
    """query ($first: Int, $after: String, $only: Boolean! = false, $yes: Boolean! = true) {
  mail: notices(first: $first, after: $after, unreadOnly: $only) {
    __typename
    ... on NoticeConnection {
      unread
      edges { cursor node { ...Whole } }
      nodes { said: sentence sentence @skip(if: $yes) readAt @include(if: $yes) }
      pageInfo { __typename hasNextPage hasPreviousPage startCursor endCursor }
    }
    ...Why
  }
}
fragment Whole on Notice { __typename id kind sentence patientId postedAt readAt }
"""
    + WHY
)


async def _mail(serving: Serving, record: Record) -> None:
    """Notices of several kinds for a patient, with what only JSON escapes in one, and the newest one read."""
    world = serving.world
    hasty = builders.professional(name='D’« HÂTE » "\\ é 😀')
    async with transaction(world.context(hasty, mode=Mode.BREAK_GLASS)) as act:
        await emergencies.break_the_glass(act, record.patient_id, "inconscient")
    world.clock.advance(timedelta(microseconds=7))
    async with transaction(world.context(builders.operator())) as act:
        await relations.tell_patient(act, record.patient_id, NoticeKind.CONSENT_CHANGED)
        await relations.tell_patient(act, record.patient_id, NoticeKind.REPRESENTATION_CHANGED)
    async with transaction(world.context(record.person)) as act:
        newest = (await inbox.page(act, first=1)).notices[0]
        await inbox.mark_read(act, newest.notice_id)
        await objections.object_to_emergencies(act, record.patient_id)


async def test_an_inbox_is_answered_alike(serving: Serving, record: Record) -> None:
    assert b'"edges":[]' in await alike(serving, record.doctor, QUERY, lines=0)
    await _mail(serving, record)
    whole = json.loads(await alike(serving, record.patient, QUERY, lines=0))["data"]["mail"]
    assert {each["node"]["kind"] for each in whole["edges"]} >= {"BREAK_GLASS", "CONSENT_CHANGED"}
    assert any("HÂTE" in each["said"] for each in whole["nodes"])
    assert whole["unread"] == len(whole["edges"]) - 1
    for variables in ({"only": True}, {"yes": False}, {"first": 1}, {"first": 2, "only": True}):
        await alike(serving, record.patient, QUERY, lines=0, **variables)
    for each in whole["edges"]:
        page = json.loads(await alike(serving, record.patient, QUERY, lines=0, first=2, after=each["cursor"]))
        assert page["data"]["mail"]["pageInfo"]["hasPreviousPage"] is True
    bare = "query { notices { ... on NoticeConnection { __typename } } }"
    assert (
        await alike(serving, record.patient, bare, lines=0) == b'{"data":{"notices":{"__typename":"NoticeConnection"}}}'
    )
    only = "query { notices { ... on NoticeConnection { unread } } }"
    assert str(whole["unread"]).encode() in await alike(serving, record.patient, only, lines=0)


async def test_a_page_that_cannot_be_is_answered_alike(serving: Serving, record: Record) -> None:
    for first in (0, -1, 201):
        assert b"PAGE_SIZE_INVALID" in await alike(serving, record.patient, QUERY, lines=0, first=first)
    for after in ("", "é", "MjAyNi0xMS0xNnx4"):
        assert b"CURSOR_INVALID" in await alike(serving, record.patient, QUERY, lines=0, after=after)
