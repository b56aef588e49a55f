"""A member's calendar, as an application reads it: his sessions, no patient, and an address that can be taken back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx2
import pytest
from icalendar import Calendar

from passerelle.identities.directory import Practice, Professional
from passerelle.kernel.clock import PARIS, SetClock
from passerelle.kernel.errors import InvalidInput, Refused
from passerelle.oncology import calendar, members, seats, sessions
from passerelle.oncology.seats import SeatAnswer
from tests import builders
from tests.gateway.serving import TENANT, Serving, serving_over
from tests.oncology.sessions.region import NETWORK, ONCOLOGIST, SURGEON, Place, Region

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.conftest import Cloned


@pytest.fixture(scope="module")
async def serving(
    tenant_database: Cloned, directory_database: Cloned, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Serving]:
    clock = SetClock(datetime(2026, 11, 16, 9, 0, tzinfo=UTC))
    folder = tmp_path_factory.mktemp("calendars")
    async with serving_over(tenant_database.database, directory_database.database, folder, clock) as serving:
        yield serving


@pytest.fixture(scope="module")
def region(serving: Serving) -> Region:
    return Region(serving.world)


async def _known(serving: Serving, who: builders.Invented, rpps: str, *, is_active: bool = True) -> None:
    person = Professional(
        rpps=rpps,
        family_name="ESSAI",
        given_name="Dominique",
        profession=who.profession,
        is_active=is_active,
        practices=(Practice(tenant_id=TENANT),),
    )
    await serving.directory.register_professionals([person])


async def _place(region: Region, serving: Serving) -> Place:
    place = await region.board(SURGEON)
    for rpps in (place.coordinator.id, *place.people):
        await _known(serving, builders.DIRECTORY.professionals[rpps], rpps)
    return place


def _parsed(octets: bytes) -> Any:
    return Calendar.from_ical(octets)


async def _get(serving: Serving, key: str, **headers: str) -> httpx2.Response:
    return await serving.client().get(f"/{TENANT}/calendars/{key}.ics", headers=headers)


async def test_his_sessions_in_his_calendar(region: Region, serving: Serving) -> None:
    place, other = await _place(region, serving), await _place(region, serving)
    at = datetime(2027, 4, 6, 18, tzinfo=PARIS)
    async with region.act(place.secretary) as act:
        planned = await sessions.plan(act, place.board_id, at, place="Salle ; 2, bâtiment B")
    await region.session(other)
    async with region.act(place.coordinator) as act:
        key = await calendar.make_address(act)
    first = await _get(serving, key)
    assert first.status_code == 200
    assert first.headers["content-type"] == "text/calendar; charset=utf-8"
    assert all(len(line) <= 75 for line in first.content.split(b"\r\n"))
    told = _parsed(first.content)
    (event,) = told.walk("VEVENT")
    (zone,) = told.walk("VTIMEZONE")
    assert (event["uid"], int(event["sequence"])) == (f"{planned.session_id}@{TENANT}.passerelle", 0)
    assert (str(event["status"]), str(event["location"])) == ("CONFIRMED", "Salle ; 2, bâtiment B")
    assert event["dtstart"].params["TZID"] == zone["tzid"] == "Europe/Paris"
    assert event["dtstart"].dt == at
    assert event["dtend"].dt - at == timedelta(minutes=90)
    assert str(event["summary"]) == place.board.name
    assert zone.to_tz().utcoffset(datetime(2027, 4, 6, 18)) == timedelta(hours=2)  # noqa: DTZ001 - a wall clock's
    assert zone.to_tz().utcoffset(datetime(2027, 1, 6, 18)) == timedelta(hours=1)  # noqa: DTZ001 - a wall clock's
    again = await _get(serving, key, **{"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")

    async with region.act(place.secretary) as act:
        await sessions.move(act, planned.session_id, at + timedelta(days=1))
    async with region.act(place.secretary) as act:
        await sessions.cancel(act, planned.session_id, "absences")
    later = await _get(serving, key, **{"if-none-match": first.headers["etag"]})
    assert later.status_code == 200
    (event,) = _parsed(later.content).walk("VEVENT")
    assert (str(event["status"]), int(event["sequence"])) == ("CANCELLED", 2)
    assert b"absences" not in later.content


async def test_who_sits_organises_or_is_excused(region: Region, serving: Serving) -> None:
    place = await _place(region, serving)
    surgeon = builders.professional(specialty=SURGEON)
    await _known(serving, builders.DIRECTORY.professionals[surgeon.id], surgeon.id)
    planned, opened = await region.session(place), await region.session(place, open_=True)
    keys = {}
    for who in (place.secretary, place.coordinator, surgeon):
        async with region.act(who) as act:
            keys[who.id] = await calendar.make_address(act)
    assert await _shown(serving, keys[place.secretary.id]) == {
        planned.session_id: "OPAQUE",
        opened.session_id: "OPAQUE",
    }
    assert await _shown(serving, keys[surgeon.id]) == {}
    async with region.act(place.secretary) as act:
        await seats.invite(act, opened.session_id, surgeon.id)
    async with region.act(place.coordinator) as act:
        await seats.answer(act, planned.session_id, SeatAnswer.EXCUSED)
    assert await _shown(serving, keys[surgeon.id]) == {opened.session_id: "OPAQUE"}
    assert await _shown(serving, keys[place.coordinator.id]) == {
        planned.session_id: "TRANSPARENT",
        opened.session_id: "OPAQUE",
    }
    (sits,) = [each for each in place.people.values() if each.specialty == "surgeon"]
    async with region.act(place.secretary) as act:
        await members.end(act, place.board_id, sits.member_id)


async def _shown(serving: Serving, key: str) -> dict[object, str]:
    found = _parsed((await _get(serving, key)).content).walk("VEVENT")
    return {UUID(str(each["uid"]).partition("@")[0]): str(each["transp"]) for each in found}


async def test_an_address_is_one_s_own_and_can_be_taken_back(region: Region, serving: Serving) -> None:
    place = await _place(region, serving)
    async with region.act(place.coordinator) as act:
        one = await calendar.make_address(act)
    async with region.act(place.coordinator) as act:
        two = await calendar.make_address(act)
    assert one not in str(await region.rows())
    assert (await _get(serving, two)).status_code == 200
    unknown = await _get(serving, one)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "CALENDAR_UNKNOWN")
    assert one not in unknown.text
    async with region.act(place.coordinator) as act:
        assert await calendar.revoke_address(act)
    async with region.act(place.coordinator) as act:
        assert not await calendar.revoke_address(act)
    for key in (two, "é", "x" * 2000, "%00"):
        async with region.unchanged():
            assert (await _get(serving, key)).json()["code"] in {"CALENDAR_UNKNOWN", "ADDRESS_UNKNOWN"}
    elsewhere = await serving.client().get(f"/ailleurs/calendars/{two}.ics")
    assert elsewhere.json()["code"] == "NETWORK_UNKNOWN"
    async with region.unchanged():
        with pytest.raises(InvalidInput, match="CALENDAR_NOT_YOURS"):
            async with region.act(NETWORK) as act:
                await calendar.make_address(act)
    async with region.unchanged(refused=True):
        with pytest.raises(Refused, match="ACCESS_REFUSED"):
            async with region.act(serving.world.person(builders.ins_of(9))) as act:
                await calendar.make_address(act)


async def test_who_left_reads_nothing_and_nobody_reads_too_often(region: Region, serving: Serving) -> None:
    who = builders.professional(specialty=ONCOLOGIST)
    await _known(serving, builders.DIRECTORY.professionals[who.id], who.id)
    async with region.act(who) as act:
        key = await calendar.make_address(act)
    lines = len(await region.lines())
    for _ in range(60):
        last = await _get(serving, key)
    assert last.status_code == 200
    written = (await region.lines())[lines:]
    assert {(each.actor_id, each.kind, each.action) for each in written} == {(who.id, "board_session", "read")}
    assert len(written) == 60
    late = await _get(serving, key)
    assert (late.status_code, late.json()["code"], late.headers["retry-after"]) == (429, "CALENDAR_TOO_OFTEN", "3600")
    region.world.clock.advance(timedelta(hours=1))
    assert (await _get(serving, key)).status_code == 200
    await _known(serving, builders.DIRECTORY.professionals[who.id], who.id, is_active=False)
    assert (await _get(serving, key)).json()["code"] == "CALENDAR_UNKNOWN"
