"""What arrives: opened, applied once in one transaction for a bundle, acknowledged after the commit.

`federation_in` takes the versions first: whoever takes in the same states at the same time waits there, and finds them
known. Whatever is not applied takes no version: the transaction is undone and the rest done again without it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import (
    ARRAY,
    BigInteger,
    CompoundSelect,
    DateTime,
    Text,
    Uuid,
    bindparam,
    cast,
    column,
    func,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import insert as upsert

from passerelle.audit.transactions import Act, transaction
from passerelle.dossier.federated_columns import are_columns, only
from passerelle.kernel.database import Statement
from passerelle.kernel.errors import TryLater
from passerelle.kernel.prepared import plan_for_bundles, run
from passerelle_tenants.federation import columns, peers
from passerelle_tenants.federation.acknowledging import acknowledge, answer
from passerelle_tenants.federation.envelopes import ACKS, HEARTBEAT, STATES, Bundle, Opened, Unopened, open_
from passerelle_tenants.federation.office import Answers, Key, Office
from passerelle_tenants.federation.sending import give, send_to
from passerelle_tenants.federation.tables import federation_in
from passerelle_tenants.federation.travellers import APPLIED, BUNDLE, LATER

_log = structlog.get_logger("passerelle.federation")
_STALE = "stale"
#: Answers that wait for no others.
_TOGETHER: Final = 4 * BUNDLE


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of an envelope. `kind` is that of its bundle, or `unopened` with the reason.

    Of states: `applied`, `stale` (known already), `later` and `refused`. Of acknowledgements: `acked`.
    """

    kind: str
    from_tenant: str = ""
    reason: str = ""
    applied: int = 0
    stale: int = 0
    later: int = 0
    refused: int = 0
    acked: int = 0


async def take_in(office: Office, envelope: bytes) -> Taken:
    """Take in an envelope of any kind; what is to be answered goes to the office's carrier.

    An envelope that cannot be opened, or is not for this network, changes nothing and raises nothing. Raises `TryLater`
    when the database is away: nothing was applied nor acknowledged, the origin sends again.
    """
    try:
        opened = await open_(office, envelope)
        taken, as_of = await _by_kind(office, opened)
    except Unopened as wrong:
        _log.warning("not opened", tenant=office.tenant.id, reason=wrong.reason)
        return Taken("unopened", reason=wrong.reason)
    was_away = await peers.heard(office, opened.from_tenant, as_of)
    pace = office.pace(opened.from_tenant)
    if was_away:
        pace.on_way = 0
    # Not for a few: those that are answered next make room for a bundle.
    if was_away or (taken.acked and pace.room >= BUNDLE // 2):
        await send_to(office, opened.from_tenant)
    return taken


async def _by_kind(office: Office, opened: Opened) -> tuple[Taken, datetime | None]:
    """What became of it, and until when it says to have told everything."""
    origin, bundle = opened.from_tenant, opened.bundle
    if bundle.kind == STATES:
        return await _take_states(office, origin, bundle), None
    if bundle.kind == ACKS:
        return Taken(ACKS, origin, acked=await acknowledge(office, origin, bundle)), None
    try:
        as_of, asks = datetime.fromisoformat(bundle.head["as_of"]), bool(bundle.head["asks"])
    except (KeyError, ValueError, TypeError) as wrong:
        raise Unopened("form") from wrong
    if asks:
        await give(office, origin, (await peers.sign_to(office, origin)).bundle())
    return Taken(HEARTBEAT, origin), as_of


async def _take_states(office: Office, origin: str, bundle: Bundle) -> Taken:
    try:
        versions = {
            (kind, object_id): version
            for kind, (ids, numbers) in bundle.head["states"].items()
            for object_id, version in zip(ids, numbers, strict=True)
        }
        _columns(versions)
    except (KeyError, ValueError, TypeError, AttributeError) as wrong:
        raise Unopened("form") from wrong
    office.arriving[origin] += 1
    try:
        async with office.applying:
            became = await _apply(office, origin, bundle, versions)
        _to_be_said(
            office, origin, {key: (versions[key], APPLIED if each == _STALE else each) for key, each in became.items()}
        )
    finally:
        office.arriving[origin] -= 1
        await _say(office, origin)
    counted = Counter(became.values())
    applied, stale, later = counted[APPLIED], counted[_STALE], counted[LATER]
    refused = len(became) - applied - stale - later
    return Taken(STATES, origin, applied=applied, stale=stale, later=later, refused=refused)


def _columns(versions: Mapping[Key, int]) -> dict[str, str]:
    return {
        "kinds": columns.words([kind for kind, _ in versions]),
        "ids": columns.ids([object_id for _, object_id in versions]),
        "versions": columns.numbers(list(versions.values())),
    }


def _to_be_said(office: Office, origin: str, said: Answers) -> None:
    unsaid = office.unsaid.setdefault(origin, {})
    unsaid.update({key: each for key, each in said.items() if key not in unsaid or unsaid[key][0] <= each[0]})


async def _say(office: Office, origin: str) -> None:
    """Answer the origin, of several bundles at a time as long as more of its are being taken in. What is to be said
    while answers are being handed to the carrier goes with the next."""
    is_more_to_come = office.arriving[origin] and len(office.unsaid.get(origin, ())) < _TOGETHER
    if is_more_to_come or origin in office.answering:
        return
    office.answering.add(origin)
    try:
        while answers := office.unsaid.pop(origin, None):
            await give(office, origin, answer(answers))
    finally:
        office.answering.discard(origin)


class _NotAll(Exception):
    """Some of a bundle was not applied: undoes the transaction."""

    def __init__(self, became: Mapping[Key, str]) -> None:
        self.became = became
        super().__init__()


async def _apply(office: Office, origin: str, bundle: Bundle, versions: Mapping[Key, int]) -> dict[Key, str]:
    """What became of each state. Those that were applied are committed, in one transaction unless one of them fails."""
    not_applied: dict[Key, str] = {}
    left = dict(versions)
    while left:
        try:
            became = await _apply_together(office, origin, bundle, left)
        except _NotAll as some:
            not_applied.update(some.became)
            left = {key: version for key, version in left.items() if key not in some.became}
        except TryLater:
            raise
        except Exception as error:  # noqa: BLE001 - one state that fails does not hold the others
            if len(left) == 1:
                [(kind, object_id)] = left
                what = {"kind": kind, "object_id": object_id, "error": type(error).__name__}
                _log.warning("not applied", tenant=office.tenant.id, origin=origin, **what)
                return {**not_applied, (kind, object_id): LATER}
            keys = list(left)
            halves = (keys[: len(keys) // 2], keys[len(keys) // 2 :])
            for half in halves:
                not_applied |= await _apply(office, origin, bundle, {key: left[key] for key in half})
            return not_applied
        else:
            return not_applied | became
    return not_applied


async def _apply_together(office: Office, origin: str, bundle: Bundle, versions: Mapping[Key, int]) -> dict[Key, str]:
    """Apply these states in one transaction. Raises `_NotAll`, and nothing happened, unless all of them are."""
    became = dict.fromkeys(versions, APPLIED)
    async with transaction(office.context(origin, bundle.bundle_id)) as act:
        await plan_for_bundles(act.connection)
        known = await _take_versions(act, origin, versions)
        fresh: dict[str, list[str]] = {}
        for kind, object_id in versions.keys() - known if known else versions:
            fresh.setdefault(kind, []).append(object_id)
        wrong: dict[Key, str] = {}
        for traveller in office.kinds:
            if chosen := fresh.pop(traveller.kind, None):
                answers = await traveller.apply(act, origin, await _items(act, bundle, traveller.kind, chosen))
                wrong |= _wrong(traveller.kind, chosen, answers)
        # Of a kind that nobody here knows yet: a newer release may.
        wrong |= {(kind, each): LATER for kind, ids in fresh.items() for each in ids}
        if wrong:
            raise _NotAll(wrong)
    return became | dict.fromkeys(known, _STALE)


def _wrong(kind: str, chosen: Sequence[str], answers: Mapping[UUID, str]) -> dict[Key, str]:
    """Those of which a traveller does not say that they were applied."""
    if len(answers) == len(chosen) and set(answers.values()) == {APPLIED}:
        return {}
    became = ((each, answers.get(UUID(each), LATER)) for each in chosen)
    return {(kind, each): said for each, said in became if said != APPLIED}


async def _take_versions(act: Act, origin: str, versions: Mapping[Key, int]) -> set[Key]:
    """Write down the versions that are newer than what is known; the objects of which they are not."""
    rows = await run(act.connection, _NEWER, {"origin": origin, "now": act.now, **_columns(versions)})
    return {(kind, object_id.hex) for kind, object_id in rows}


async def _items(act: Act, bundle: Bundle, kind: str, chosen: Sequence[str]) -> str | bytes:
    """The items of a kind, as the origin wrote them; of those that are not chosen, none."""
    part = bundle.parts.get(kind, b"[]")
    is_whole = len(chosen) == len(bundle.head["states"][kind][0])
    if are_columns(part):
        return part if is_whole else only(part, set(chosen))
    if is_whole:
        return part.decode()
    rows = await act.connection.execute(_CHOSEN, {"part": part.decode(), "ids": columns.ids(chosen)})
    return str(rows.scalar_one())


def _newer() -> CompoundSelect[str, UUID]:
    given = (
        func.unnest(
            *(
                cast(bindparam(name, type_=Text()), ARRAY(type_))
                for name, type_ in (("kinds", Text()), ("ids", Uuid()), ("versions", BigInteger()))
            )
        )
        .table_valued(column("kind", Text()), column("object_id", Uuid()), column("version", BigInteger()))
        .render_derived("given")
    )
    added = upsert(federation_in).from_select(
        ["from_tenant", "kind", "object_id", "version", "applied_at"],
        # In one order for all who take in: none waits for another that waits for it.
        select(
            bindparam("origin", type_=Text()),
            *(given.c[name] for name in ("kind", "object_id", "version")),
            bindparam("now", type_=DateTime(timezone=True)),
        ).order_by(given.c.kind, given.c.object_id),
    )
    newer = (
        added.on_conflict_do_update(
            index_elements=["from_tenant", "kind", "object_id"],
            set_={"version": added.excluded.version, "applied_at": added.excluded.applied_at},
            where=federation_in.c.version < added.excluded.version,
        )
        .returning(federation_in.c.kind, federation_in.c.object_id)
        .cte("newer")
    )
    return select(given.c.kind, given.c.object_id).except_(select(newer.c.kind, newer.c.object_id))


_NEWER: Final = Statement(_newer())
_CHOSEN: Final = text(
    "select coalesce(json_agg(item), '[]')::text from json_array_elements(cast(:part as json)) as item"
    " where cast(item ->> 'id' as uuid) = any(cast(:ids as uuid[]))"
)
