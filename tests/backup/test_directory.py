"""What narrowed in the directory since a backup of it is in force in what is restored from it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import text

from passerelle.kernel.clock import SetClock
from passerelle.kernel.database import Database
from passerelle.kernel.keys import Keys
from passerelle_ops.backup import directory
from passerelle_ops.backup.directory import KEYS, Directory
from passerelle_ops.backup.ledger import Ledger
from passerelle_ops.backup.places import Place
from passerelle_ops.backup.replaying import read
from tests.conftest import Cloned

_BEFORE = (
    """
    insert into professional (rpps, family_name, given_name, profession)
    select n, 'x', 'y', '10' from unnest(array['1', '2', '3']) n
    """,
    "insert into home values ('a', 'oncomip', 1, 'presumed', null, now())",
    """
    insert into tenant_key (tenant_id, key_id, use, public, generation, valid_from)
    select 'oncomip', n, 'sig', '{}', 1, now() from unnest(array['k', 'l']) n
    """,
)
_SINCE = (
    "update professional set is_active = false where rpps = '1'",
    "update professional set profession = '60', specialty = null where rpps = '2'",
    "update professional set is_active = false where rpps = '3'",
    "update professional set is_active = true where rpps = '3'",
    "insert into token_revocation (mark, revoked_at) values ('m', now())",
    "update home set tenant_id = 'oncopl', version = 2, state = 'declared' where person_key = 'a'",
    "insert into home values ('b', 'oncopl', 1, 'presumed', null, now())",
    "insert into person_key_change values ('c', 'b', now())",
    "update tenant_key set valid_until = now() where key_id = 'k'",
    "insert into tenant_role values ('serving', 'oncomip')",
    "insert into tenant_merge values ('nancy', 'oncopl', now(), null)",
    "update tenant_merge set done_at = now()",
)
_STANDS = (
    "select rpps, profession, is_active from professional order by 1",
    "select mark, revoked_at from token_revocation",
    "select * from home order by 1",
    "select * from person_key_change",
    "select key_id, valid_until from tenant_key order by 1",
    "select * from tenant_role where role = 'serving'",
    "select * from tenant_merge",
)
_AGAIN = (
    "update professional set is_active = rpps <> '3', profession = '10'",
    "truncate token_revocation, person_key_change, tenant_merge",
    "delete from tenant_role where role = 'serving'",
    "delete from home where person_key = 'b'",
    "update home set tenant_id = 'oncomip', version = 1, state = 'presumed'",
    "update tenant_key set valid_until = null",
)


async def test_what_narrowed_in_the_directory_is_put_back(
    directory_database: Cloned, tmp_path: Path, clock: SetClock
) -> None:
    owner = Database(directory_database.owner_url, pool_size=2)
    ledger = Ledger(Place(str(tmp_path)), Directory(Keys.create(tmp_path / "locator.key")))

    async def told(*statements: str) -> list[object]:
        async with owner.transaction() as connection:
            done = [await connection.execute(text(each)) for each in statements]
            return [[tuple(row) for row in each] for each in done if each.returns_rows]

    await told(*_BEFORE)
    # Under the serving role, as a worker does.
    assert await directory.keep(directory_database.database, ledger, clock) > 0
    begun = await ledger.last()
    await told(*_SINCE)
    at_the_end = await told(*_STANDS)
    assert await directory.keep(directory_database.database, ledger, clock) == len(_SINCE)
    assert await directory.keep(directory_database.database, ledger, clock) == 0
    await told(*_AGAIN)

    words = await read(ledger.since(begun), KEYS)
    changed = {"home": 2, "person_key_change": 1, "professional": 2, "tenant_key": 1}
    changed |= {"tenant_role": 1, "tenant_merge": 1, "token_revocation": 1}
    assert (await directory.replay(owner, words)).changed == changed
    stands = await told(*_STANDS)
    # Struck off in the backup and let in again since: that is to be said again.
    assert stands[0] == [*at_the_end[0][:2], ("3", "10", False)]  # type: ignore[index]
    assert stands[1:] == at_the_end[1:]
    assert (await directory.replay(owner, words)).changed == {}
    await owner.close()


async def test_each_table_of_the_directory_that_narrows_is_put_back(directory_database: Cloned) -> None:
    async with directory_database.database.transaction() as connection:
        rows = await connection.execute(
            text(
                "select tgrelid::regclass::text as name, encode(tgargs, 'escape') as noted from pg_trigger"
                " where tgname = 'note_narrowing'"
            )
        )
        noted: Mapping[str, set[str]] = {row.name: {*row.noted.split("\\000")} for row in rows}
    assert noted.keys() == KEYS.keys()
    assert all(set(key) <= noted[table] for table, key in KEYS.items())
