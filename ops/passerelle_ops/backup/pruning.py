"""Archives that nobody wants back any more, and contents of the pool that no archive left refers to.

What goes is named first; the newest archive that is whole never does. Every archive that stays is read to its end, by
whoever can open it: only they say which contents they refer to. If one cannot be read, every content stays.
The ledger is never pruned: whoever kept an old archive could otherwise restore what was erased since (0142).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from passerelle.kernel.clock import Clock
from passerelle.kernel.contents import Contents
from passerelle.kernel.errors import BrokenIntegrity, Conflict, InvalidInput, Refused
from passerelle_ops.backup.envelope import Opener
from passerelle_ops.backup.making import POOL, SUFFIX, Progress
from passerelle_ops.backup.places import Place
from passerelle_ops.backup.restoring import Archive, believed
from passerelle_ops.backup.sources import Source

_NAMED: Final = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True, slots=True)
class Retention:
    """How long archives stay: all of so many days, and the first one of each of so many months."""

    days: int
    months: int = 0


@dataclass(frozen=True, slots=True)
class Superfluous:
    """What may go, oldest first; what stays; and which of these could not be read, so that no content may go."""

    archives: tuple[str, ...]
    contents: tuple[str, ...]
    kept: tuple[str, ...]
    unread: tuple[str, ...]


async def superfluous(
    source: Source,
    place: Place,
    opener: Opener,
    retention: Retention,
    clock: Clock,
    on_progress: Progress = lambda *_: None,
) -> Superfluous:
    """What a retention leaves nothing to keep for. Nothing is changed. Refused: BACKUP_PLACE_AWAY."""
    made = {name: at for name in await place.within(source.name).names() if (at := _made_at(name)) is not None}
    wanted = _wanted(made, retention, clock.now())
    referred: set[str] = set()
    kept: list[str] = []
    unread: list[str] = []
    for name in sorted(made, reverse=True):
        has_whole = len(kept) > len(unread)
        if name not in wanted and has_whole:
            continue
        kept.append(name)
        archive = Archive(place, name, opener)
        try:
            await believed(archive, source, on_progress)
            if source.tenant is not None:
                referred |= {content async for content, _ in archive.contents(source)}
        except (BrokenIntegrity, Conflict, InvalidInput, Refused):  # of another key too: whoever has that one reads it
            unread.append(name)
    contents: set[str] = set()
    if source.tenant is not None and kept and not unread:
        pool = Contents(place.within(source.name, POOL).url)
        # What the network still has is none of it: a backup that is being made may count on it.
        contents = {name async for name in pool.names()} - referred
        contents -= {name async for name in source.tenant.contents.names()}
    gone = sorted(made.keys() - set(kept))
    return Superfluous(tuple(gone), tuple(sorted(contents)), tuple(sorted(kept)), tuple(sorted(unread)))


async def take_away(source: Source, place: Place, what: Superfluous) -> None:
    """Take exactly that away; run again after it was cut off, it goes on. Refused: BACKUP_PLACE_AWAY."""
    own = place.within(source.name)
    for name in what.archives:
        await own.remove(name)
    if what.contents:
        pool = Contents(place.within(source.name, POOL).url)
        for name in what.contents:
            await pool.delete(name)


def _made_at(name: str) -> datetime | None:
    """When an archive was made, by its name; null for what is none."""
    try:
        return datetime.strptime(name.removesuffix(SUFFIX).rpartition("-")[0], _NAMED).replace(tzinfo=UTC)
    except ValueError:
        return None


def _wanted(made: dict[str, datetime], retention: Retention, now: datetime) -> set[str]:
    young = {name for name, at in made.items() if at > now - timedelta(days=retention.days)}
    first_of: dict[tuple[int, int], str] = {}
    for name, at in sorted(made.items()):
        first_of.setdefault((at.year, at.month), name)
    oldest = now.year * 12 + now.month - retention.months
    return young | {name for (year, month), name in first_of.items() if year * 12 + month > oldest}
