"""What ended on a tumour board since a backup has ended in what is restored from it."""

from __future__ import annotations

from collections.abc import AsyncIterator

from sqlalchemy import text

from passerelle.audit import narrowings
from passerelle_ops.backup.ledger import Entry
from passerelle_ops.backup.replaying import read, replay
from tests.builders import World

_BEFORE = """
with b as (
  insert into board (board_id, name, kind, scope, establishment, duration_minutes, deputies, videoconference, state,
                     declared_at, declared_by)
  values (gen_random_uuid(), 'Essai', 'recourse', 'transversal', '310000000', 60, false, false, 'validated', now(), 'x')
  returning board_id
), s as (
  insert into board_session (session_id, board_id, starts_at, ends_at, state, changed_at)
  select gen_random_uuid(), board_id, now(), now() + interval '1 hour', 'open', now() from b returning session_id
), p as (
  insert into board_session (session_id, board_id, starts_at, ends_at, state, changed_at)
  select gen_random_uuid(), board_id, now() + interval '7 days', now() + interval '8 days', 'planned', now() from b
), e as (
  insert into board_seat (session_id, subject, name, specialty, duty, answer)
  select session_id, 'professional:1', 'Essai', 'surgeon', 'member', 'expected' from s
), m as (
  insert into board_member (board_id, member_id, subject, name, specialty, duty, valid_from, recorded_by)
  select board_id, gen_random_uuid(), 'professional:1', 'Essai', 'surgeon', 'member', now(), 'x' from b
), f as (
  insert into calendar_feed (feed_id, subject, key_hash, created_at)
  values (gen_random_uuid(), 'professional:1', 'essai', now())
)
insert into recourse_case (referral_id, from_network, session_id, received_at, sealed, wrapped_key, opinion, state)
select gen_random_uuid(), 'ailleurs', session_id, now(), 'cas', 'clé', '{}', 'heard' from s, generate_series(1, 2)
"""
_SINCE = (
    """
    update recourse_case set state = 'withdrawn', sealed = null, wrapped_key = null, opinion = null, ended_at = now()
     where referral_id = (select min(referral_id::text)::uuid from recourse_case)
    """,
    "update board_member set valid_until = now()",
    "update board_seat set answer = 'excused', answered_at = now()",
    "update board_session set state = 'held', held_at = now(), held_by = 'x', quorum = '{}' where state = 'open'",
    "update board_session set closed_at = now() where state = 'held'",
    """
    update board_session set state = 'cancelled', cancelled_at = now(), cancelled_because = 'neige', sequence = 1
     where state = 'planned'
    """,
    "update calendar_feed set hour = now(), reads = 1",
    "update calendar_feed set revoked_at = now()",
)
_AGAIN = (
    "update recourse_case set state = 'heard', sealed = 'cas', wrapped_key = 'clé', opinion = '{}', ended_at = null",
    "update board_member set valid_until = null",
    "update board_seat set answer = 'expected', answered_at = null",
    """
    update board_session set state = 'open', held_at = null, held_by = null, quorum = null, closed_at = null
     where state = 'held'
    """,
    """
    update board_session set state = 'planned', cancelled_at = null, cancelled_because = null, sequence = 0
     where state = 'cancelled'
    """,
    "update calendar_feed set revoked_at = null",
)
_STANDS = """
select (select jsonb_agg(jsonb_build_array(state, sealed is null, wrapped_key is null, opinion is null, ended_at)
                         order by referral_id::text) from recourse_case),
       (select jsonb_agg(valid_until) from board_member), (select jsonb_agg(revoked_at) from calendar_feed),
       (select jsonb_agg(to_jsonb(s) - 'changed_at' order by starts_at) from board_session s),
       (select jsonb_agg(answer) from board_seat)
"""


async def test_what_ended_on_a_board_has_ended(world: World) -> None:
    database = world.tenant.database
    async with database.transaction() as connection:
        await connection.execute(text(_BEFORE))
    async with database.transaction() as connection:
        for each in _SINCE:
            await connection.execute(text(each))
        at_the_end = (await connection.execute(text(_STANDS))).one()
        noted = await narrowings.take(connection, 100)
    what = ["board_member", "board_seat", "board_session", "board_session", "calendar_feed", "recourse_case"]
    assert sorted(each.what for each in noted) == what
    assert not any({"sealed", "wrapped_key", "opinion"} & each.said.keys() for each in noted)
    async with database.transaction() as connection:
        for each in _AGAIN:
            await connection.execute(text(each))

    async def entries() -> AsyncIterator[Entry]:
        yield Entry(number=1, at="", narrowed=[{"what": n.what, "at": n.at.isoformat(), "said": n.said} for n in noted])

    words = await read(entries())
    changed = {"board_member": 1, "board_seat": 1, "board_session": 2, "calendar_feed": 1, "recourse_case": 1}
    assert (await replay(world.tenant, world.clock, words)).changed == changed
    async with database.transaction() as connection:
        assert (await connection.execute(text(_STANDS))).one() == at_the_end
    assert (await replay(world.tenant, world.clock, words)).changed == {}
