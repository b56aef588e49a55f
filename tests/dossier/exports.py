"""Exports as tests take them apart."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import select

from passerelle.audit.tables import journal
from passerelle.audit.transactions import transaction
from passerelle.dossier import portability, reading
from passerelle.dossier.tables import document as filed
from passerelle.kernel.actors import Actor
from passerelle_policies.vocabulary import DocumentStatus
from tests.builders import World

EVERY = tuple(each.value for each in DocumentStatus)


async def octets(world: World, patient_id: UUID, reader: Actor) -> bytes:
    export = await portability.open_export(world.context(reader), patient_id)
    return b"".join([piece async for piece in export.stream()])


async def opened(world: World, patient_id: UUID, reader: Actor) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(await octets(world, patient_id, reader)))


def read_json(archive: zipfile.ZipFile, path: str) -> Any:
    return json.loads(archive.read(path))


def ids_in(archive: zipfile.ZipFile) -> set[str]:
    return {each["logicalId"] for each in read_json(archive, "donnees/documents.json")}


async def listed(world: World, patient_id: UUID, reader: Actor) -> dict[str, str]:
    """Every document that a list shows to this reader, with its status."""
    wanted = reading.DocumentFilter(statuses=EVERY, whole_history=True)
    opened = await reading.open_dossier(world.context(reader), patient_id, wanted, first=100)
    return {each["document_id"]: each["status"] for each in opened.page.documents}


async def done(world: World, actor: Actor, what: Any, *given: Any, **more: Any) -> Any:
    async with transaction(world.context(actor)) as act:
        return await what(act, *given, **more)


async def content_file(world: World, document_id: UUID) -> Path:
    async with world.tenant.database.transaction() as connection:
        named = select(filed.c.content_name).where(filed.c.document_id == document_id)
        name = str((await connection.execute(named)).scalar_one())
    return Path(urlsplit(world.tenant.contents.url).path) / name[-2:] / name


async def exports_in_journal(world: World, patient_id: UUID) -> list[tuple[str, str, str, UUID | None, dict[str, Any]]]:
    wanted = (
        select(journal.c.kind, journal.c.action, journal.c.outcome, journal.c.document_id, journal.c.facts)
        .where(journal.c.patient_id == patient_id, journal.c.action == "export")
        .order_by(journal.c.line_id)
    )
    async with world.tenant.database.transaction() as connection:
        return [tuple(row) for row in await connection.execute(wanted)]
