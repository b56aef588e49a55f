"""A rehearsal: restored into a database of its own beside the living one, compared line by line, and thrown away.

Contents are opened where they lie in the pool, each under its key, against the size and hash of its entry; what the
replay erases it erases in a folder that is empty. Nothing of the network that serves is touched.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from secrets import token_hex
from typing import Any

import psycopg
from psycopg import AsyncConnection, sql
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import make_url

from passerelle.audit.heads import head_at
from passerelle.audit.seal_verification import seal_findings
from passerelle.audit.verification import Finding
from passerelle.dossier.erasure_verification import verify_erasures
from passerelle.dossier.verification import verify_contents
from passerelle.kernel.clock import Clock
from passerelle.kernel.contents import Contents
from passerelle.kernel.context import Tenant
from passerelle.kernel.database import Database
from passerelle.kernel.errors import Conflict
from passerelle_ops.backup import directory, dump
from passerelle_ops.backup.loss import Loss, lost_documents
from passerelle_ops.backup.making import POOL, Progress
from passerelle_ops.backup.replaying import Replayed, replay
from passerelle_ops.backup.restoring import Archive, believed, must_be_its_ledger
from passerelle_ops.backup.sources import Source
from passerelle_ops.migrations.histories import upgrade


@dataclass(frozen=True, slots=True)
class Compared:
    """One thing that must be equal: what the backup says, and what was restored."""

    what: str
    backed_up: str
    restored: str

    @property
    def is_equal(self) -> bool:
        return self.backed_up == self.restored

    @property
    def is_empty(self) -> bool:
        return self.backed_up.startswith("0 ")


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What a rehearsal found. `made_at` is the backup's own time."""

    made_at: str
    compared: tuple[Compared, ...]
    findings: tuple[Finding, ...]
    contents: int
    replayed: Replayed
    loss: Loss | None

    @property
    def holds(self) -> bool:
        return not self.findings and all(each.is_equal for each in self.compared)


async def rehearse(
    archive: Archive, source: Source, clock: Clock, on_progress: Progress = lambda *_: None
) -> Rehearsed:
    """Restore beside, compare, throw away. Refused: as `restoring.believed`, REHEARSAL_DATABASE_REFUSED."""
    opening = await believed(archive, source, on_progress)
    async with _scratch(source) as url:
        await dump.restored(url, archive.database(source), source.bindir)
        compared = [each async for each in _tables(url, opening, on_progress)]
        await asyncio.to_thread(upgrade, source.history, url)
        database, after = Database(url, pool_size=2), int(opening["ledger"])
        try:
            words = await source.words(after)
            await must_be_its_ledger(database, words, after)
            if source.tenant is None:
                replayed = await directory.replay(database, words)
                return Rehearsed(opening["made_at"], tuple(compared), (), 0, replayed, None)
            tenant = replace(
                source.tenant,
                database=database,
                contents=Contents(archive.place.within(source.name, POOL).url),
            )
            compared.append(await _compared_head(tenant, opening))
            findings = await _findings(tenant, datetime.fromisoformat(opening["made_at"]))
            opened = 0
            async for finding in verify_contents(tenant):
                opened += 1
                on_progress("contents", opened, None)
                if finding is not None:
                    findings.append(finding)
            loss = await lost_documents(tenant, source.ledger, after=after, words=words)
            with tempfile.TemporaryDirectory(prefix="passerelle-rehearsal-") as folder:
                alone = replace(tenant, contents=Contents(Path(folder).as_uri()))
                replayed = await replay(alone, clock, words, lambda d, t: on_progress("replay", d, t))
                findings += (await verify_erasures(alone))[1]
        finally:
            await database.close()
        return Rehearsed(opening["made_at"], tuple(compared), tuple(findings), opened, replayed, loss)


async def _tables(url: str, opening: Mapping[str, Any], on_progress: Progress) -> AsyncIterator[Compared]:
    async with dump.snapshot(url) as snapshot:
        there, told = await dump.tables(snapshot.connection), opening["tables"]
        names = sorted({*there, *told})
        for done, table in enumerate(names, 1):
            held = await dump.held(snapshot.connection, table) if table in there else None
            backed_up = f"{told[table]['rows']} · {_short(told[table]['hash'])}" if table in told else "—"
            yield Compared(table, backed_up, "—" if held is None else f"{held.rows} · {_short(held.hash)}")
            on_progress("tables", done, len(names))


def _short(total: str) -> str:
    """The last hexadecimal digits of a sum over hashes: enough to be compared by eye and by us."""
    return f"{int(total) % (1 << 64):016x}"


async def _compared_head(tenant: Tenant, opening: Mapping[str, Any]) -> Compared:
    told = opening["head"]
    if told is None:
        return Compared("journal_head", "—", "—")
    async with tenant.database.transaction() as connection:
        head = await head_at(connection, tenant.id, int(told["tree_size"]))
    shown = "—" if head is None else f"{head.tree_size} · {head.root.hex()[:16]}"
    if head is not None and head.document() != told:
        shown += " ≠"
    return Compared("journal_head", f"{told['tree_size']} · {told['root'][:16]}", shown)


async def _findings(tenant: Tenant, made_at: datetime) -> list[Finding]:
    # What was too fresh to be sealed when the backup was made is no finding.
    return [each async for each in seal_findings(tenant, made_at, timedelta(days=1))]


@asynccontextmanager
async def _scratch(source: Source) -> AsyncIterator[str]:
    """A database that nobody but its owner enters, gone afterwards."""
    owner = conninfo_to_dict(source.site.owner_url)
    name = f"rehearsal_{token_hex(6)}"
    by = source.site.admin_url or source.site.owner_url
    async with await AsyncConnection.connect(by, autocommit=True) as connection:
        try:
            await connection.execute(
                sql.SQL("create database {} owner {}").format(sql.Identifier(name), sql.Identifier(str(owner["user"])))
            )
        except psycopg.errors.InsufficientPrivilege as refused:
            raise Conflict("REHEARSAL_DATABASE_REFUSED") from refused
        try:
            await connection.execute(
                sql.SQL("revoke connect, temporary on database {} from public").format(sql.Identifier(name))
            )
            yield make_url(source.site.owner_url).set(database=name).render_as_string(hide_password=False)
        finally:
            await connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))
