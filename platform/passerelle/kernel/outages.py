"""What a database that is away or overwhelmed raises, as `TryLater`.

SQLSTATE classes: PostgreSQL, appendix A. A connection that is lost (08…), or a server that stops, has crashed or
is starting (57P…), is DATABASE_AWAY: it comes back. A statement past its time (57014) is OPERATION_TOO_SLOW. A full
pool, a deadlock, too many connections: DATABASE_BUSY.
Nothing that was not committed has happened; a commit whose answer is lost may have been one, so that whoever
tries again must be idempotent.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from psycopg import OperationalError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as EnginePoolTimeout

from passerelle.kernel.errors import TryLater

AWAY: Final = "DATABASE_AWAY"
BUSY: Final = "DATABASE_BUSY"
_AWAY_STATES: Final = ("08", "57P")
_OUR_MISTAKE: Final = "08P01"  # a message that PostgreSQL does not expect, such as a value too few
_TOO_SLOW_STATE: Final = "57014"


@contextmanager
def outages_told() -> Iterator[None]:
    """Raise `TryLater` (DATABASE_AWAY, DATABASE_BUSY, OPERATION_TOO_SLOW) for an outage.

    What is wrong with a statement goes through.
    """
    try:
        yield
    except EnginePoolTimeout as full:
        raise TryLater(BUSY, retry_after=1) from full
    except OperationalError as failed:
        if failed.sqlstate == _OUR_MISTAKE:
            raise
        raise _later(failed) from failed
    except DBAPIError as failed:
        if not failed.connection_invalidated and not isinstance(failed.orig, OperationalError):
            raise
        raise _later(failed.orig) from failed


def is_away(state: str) -> bool:
    """Whether an SQLSTATE says that the server, or the way to it, is gone."""
    return state.startswith(_AWAY_STATES) and state != _OUR_MISTAKE


def _later(failed: BaseException | None) -> TryLater:
    state = getattr(failed, "sqlstate", None)
    if state is None or is_away(state):
        return TryLater(AWAY, retry_after=2)
    if state == _TOO_SLOW_STATE:
        return TryLater("OPERATION_TOO_SLOW", retry_after=5)
    return TryLater(BUSY, retry_after=1)
