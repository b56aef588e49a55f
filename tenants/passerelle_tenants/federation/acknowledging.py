"""What the other network answered of each state: applied, not yet, or never.

applied   it is owed no more, unless it changed since
later     it comes again soon, `federation.later_tries` times at most, then it is dead
a code    refused: it is dead at once and holds up nothing else (`dead_letters`)
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final
from uuid import uuid4

from sqlalchemy import (
    ARRAY,
    CTE,
    BigInteger,
    ColumnElement,
    DateTime,
    Double,
    Integer,
    Interval,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    cast,
    column,
    func,
    literal,
    not_,
    null,
    or_,
    select,
    update,
)

from passerelle.kernel.database import Statement
from passerelle_tenants.federation import columns
from passerelle_tenants.federation.envelopes import ACKS, Bundle, Unopened
from passerelle_tenants.federation.office import Answers, Office
from passerelle_tenants.federation.tables import HASTY, ROW, federation_out, federation_peer
from passerelle_tenants.federation.travellers import APPLIED, LATER

#: Why what was put off too often is dead.
NEVER_READY: Final = "FEDERATION_NEVER_READY"


def answer(answers: Answers) -> Bundle:
    """What is said to the origin, after the commit."""
    by_kind: dict[str, dict[str, tuple[list[str], list[int]]]] = {}
    for (kind, object_id), (version, said) in answers.items():
        ids, versions = by_kind.setdefault(kind, {}).setdefault(said, ([], []))
        ids.append(object_id)
        versions.append(version)
    return Bundle(kind=ACKS, bundle_id=uuid4().hex, head={"answers": by_kind})


async def acknowledge(office: Office, from_tenant: str, bundle: Bundle) -> int:
    """Believe the answers of a peer; how many states it has now. Raises `Unopened` for what is no answer."""
    kinds: list[str] = []
    ids: list[str] = []
    versions: list[int] = []
    said: list[str] = []
    try:
        for kind, by_answer in bundle.head["answers"].items():
            for each, (of_ids, of_versions) in by_answer.items():
                kinds += [kind] * len(of_ids)
                ids += of_ids
                versions += of_versions
                said += [each] * len(of_ids)
        if len(ids) != len(versions):
            raise ValueError("ids and versions do not agree")
        answers = {"kinds": columns.words(kinds), "ids": columns.ids(ids), "said": columns.words(said)}
        answers["versions"] = columns.numbers(versions)
    except (KeyError, ValueError, TypeError, AttributeError) as wrong:
        raise Unopened("form") from wrong
    given = {"now": office.clock.now(), "peer": from_tenant, **answers}
    [(acked, after, _)] = await office.tenant.database.fetch(_ACKNOWLEDGE, given)
    retry, window = office.number("federation.retry_seconds"), office.number("federation.window")
    office.pace(from_tenant).answered(acked, after, retry=retry, window=window)
    if any(each != APPLIED for each in said):
        longest = office.number("federation.later_seconds_max")
        tries = office.number("federation.later_tries")
        await office.tenant.database.fetch(_PUT_OFF, {**given, "longest": longest, "tries": tries})
    return int(acked)


_NOW = bindparam("now", type_=DateTime(timezone=True))
_PEER = bindparam("peer", type_=Text())


def _answered(is_applied: bool) -> CTE:
    """The rows of the answers, locked in the order of the key: addressing locks several as well."""
    out = federation_out
    said = (
        func.unnest(
            *(
                cast(bindparam(name, type_=Text()), ARRAY(type_))
                for name, type_ in (("kinds", Text()), ("ids", Uuid()), ("versions", BigInteger()), ("said", Text()))
            )
        )
        .table_valued(
            column("kind", Text()), column("object_id", Uuid()), column("version", BigInteger()), column("said", Text())
        )
        .render_derived("said")
    )
    # What is said of an older state than is owed now frees nothing but that it was there.
    about = out.c.version >= said.c.version if is_applied else out.c.version == said.c.version
    return (
        select(ROW, said.c.version, said.c.said)
        .select_from(said.join(out, and_(out.c.kind == said.c.kind, out.c.object_id == said.c.object_id)))
        .where(
            out.c.to_tenant == _PEER,
            about,
            out.c.acked_version < said.c.version,
            (said.c.said == APPLIED) if is_applied else (said.c.said != APPLIED),
        )
        .order_by(out.c.kind, out.c.object_id)
        .with_for_update(of=out)
        .cte("answered")
    )


def _acknowledge() -> Statement:
    out, answered = federation_out, _answered(is_applied=True)
    is_all = answered.c.version == out.c.version
    done = (
        update(out)
        .where(ROW.element == answered.c.place)
        .values(
            acked_version=answered.c.version,
            acked_at=_NOW,
            payload=case((is_all, null()), else_=out.c.payload),
            dead_at=case((is_all, null()), else_=out.c.dead_at),
            code=case((is_all, null()), else_=out.c.code),
        )
        .returning(out.c.sent_at)
        .cte("done")
    )
    longest = select(func.extract("epoch", _NOW - func.min(done.c.sent_at))).select_from(done).scalar_subquery()
    count = select(func.count()).select_from(done).scalar_subquery()
    counted = (
        update(federation_peer)
        .where(federation_peer.c.tenant_id == _PEER, count > 0)
        .values(acked=federation_peer.c.acked + count)
        .returning(federation_peer.c.acked)
        .cte("counted")
    )
    after: ColumnElement[float] = cast(func.coalesce(longest, 0), Double())
    return Statement(select(count.label("acked"), after.label("after"), HASTY).add_cte(counted))


def _put_off() -> Statement:
    out, answered = federation_out, _answered(is_applied=False)
    is_later = answered.c.said == LATER
    tries = bindparam("tries", type_=Integer())
    is_dead = or_(not_(is_later), out.c.deferred + 1 >= tries)
    wait = func.least(func.power(literal(2.0), func.least(out.c.deferred, 20)), bindparam("longest", type_=Double()))
    return Statement(
        update(out)
        .where(ROW.element == answered.c.place)
        .values(
            # Not on its way any more.
            sent_version=0,
            attempts=case((is_dead, out.c.attempts + out.c.deferred), else_=0),
            deferred=out.c.deferred + case((is_later, 1), else_=0),
            next_attempt_at=_NOW + wait * literal(timedelta(seconds=1), Interval()),
            dead_at=case((is_dead, _NOW)),
            code=case((not_(is_later), answered.c.said), (is_dead, NEVER_READY)),
        )
        .returning(out.c.object_id)
    )


_ACKNOWLEDGE: Final = _acknowledge()
_PUT_OFF: Final = _put_off()
