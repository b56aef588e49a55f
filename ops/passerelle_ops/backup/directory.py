"""The directory's ledger: what narrowed there, written down outside it and put back after a restore.

Of each row the newest word counts. The directory knows no patient and keeps no journal: nothing of it is told there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from passerelle.audit import narrowings
from passerelle.identities import restored as identities
from passerelle.kernel.clock import Clock
from passerelle.kernel.database import Database
from passerelle.kernel.keys import Keys
from passerelle_ops.backup.ledger import Ledger
from passerelle_ops.backup.places import Place
from passerelle_ops.backup.replaying import Replayed, Words
from passerelle_ops.installation import Installation
from passerelle_tenants import restored as tenants

NAME: Final = "directory"
#: By what a row of each table is known.
KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "token_revocation": ("mark", "revoked_at"),
    "professional": ("rpps",),
    "home": ("person_key",),
    "person_key_change": ("person_key",),
    "tenant_key": ("tenant_id", "key_id"),
    "tenant_role": ("role",),
    "tenant_merge": ("tenant_id",),
}
_AT_ONCE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Directory:
    """As the owner of a ledger; its keys are the locator's."""

    keys: Keys
    id: str = NAME


def ledger_of(installation: Installation) -> Ledger:
    """The directory's ledger. Refused: KEY_FILE_MISSING."""
    keys = Keys.load(installation.locator_key)
    return Ledger(Place(installation.ledger_url(NAME)), Directory(keys))


async def keep(database: Database, ledger: Ledger, clock: Clock) -> int:
    """Write down all that is new; how many changes. Several workers may: each change is one's."""
    done = 0
    while True:
        async with database.transaction() as connection:
            if taken := await narrowings.take(connection, _AT_ONCE):
                await ledger.append(clock, narrowed=[each.document() for each in taken])
                await narrowings.kept(connection, taken)
        done += len(taken)
        if len(taken) < _AT_ONCE:
            return done


async def replay(database: Database, words: Words) -> Replayed:
    """Put back what narrowed, in one transaction. What is so already changes nothing."""
    changed: dict[str, int] = {}
    async with database.transaction() as connection:
        for domain in (identities, tenants):
            for what in domain.TABLES:
                if said := [each for _, each in words.newest.get(what, {}).values()]:
                    changed[what] = await domain.put_back(connection, what, said)
    return Replayed({name: count for name, count in changed.items() if count}, 0)
