"""What remains of an erased record: marks planted before are nowhere after, in the database or in the store."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from sqlalchemy import select, text

from passerelle.audit.transactions import transaction
from passerelle.dossier import attestations, erasure, lifecycle, publishing, relations, repair
from passerelle.dossier.formats.submission import EventCode, IncomingSubmission
from passerelle.dossier.tables import document as filed
from passerelle.dossier.verification import authors_out_of_step, verify_contents
from passerelle.kernel.actors import Actor
from passerelle.notices.posting import NoticeKind, post
from passerelle_policies.vocabulary import ActorKind, Relation
from tests.builders import World, document, professional
from tests.conftest import Cloned

SYSTEM = Actor(kind=ActorKind.SYSTEM, id="erasure", name="Effacement")

MARKS = {
    "title": "Zygomorphe",
    "content": "Xanthochromie",
    "set": "Wagonnet",
    "event": "Vulcanologie",
    "proof": "Ultramarin",
    "reason": "Trapézoïdal",
    "moved": "Saxifrage",
    "repair": "Rhododendron",
    "notice": "Quincaillier",
    "request": "Pamplemousse",
    "place": "Oscilloscope",
}


def _dump(url: str) -> str:
    """Every row of every table of a database, as text."""
    with psycopg.connect(url) as connection:
        tables = connection.execute("select tablename from pg_tables where schemaname = 'public'").fetchall()
        return "\n".join(
            str(row[0])
            for (table,) in tables
            for row in connection.execute(f'select t::text from "{table}" t'.encode())
        )


async def test_nothing_of_health_stays_in_the_database_or_in_the_store(world: World, tenant_database: Cloned) -> None:
    patient_id, person = await world.patient()
    wrong_id, _ = await world.patient()
    author = professional()
    incoming = document(author=author, title=MARKS["title"], content=f"avec {MARKS['content']}".encode())
    incoming = replace(
        incoming, metadata=replace(incoming.metadata, event_codes=(EventCode(code="X00", label=MARKS["event"]),))
    )
    moved = document(author=author, title=MARKS["moved"], content=f"aussi {MARKS['content']}".encode())
    async with transaction(world.context(author)) as act:
        await publishing.publish(
            act, patient_id, incoming, IncomingSubmission(documents=(incoming,), title=MARKS["set"])
        )
        misfiled = await publishing.publish(act, wrong_id, moved)
        await repair.move_document(act, misfiled.document_id, patient_id, reason=MARKS["repair"])
    async with transaction(world.context(person)) as act:
        await relations.authorize(act, patient_id, author.id, proof=MARKS["proof"])
    hospital = replace(professional(), establishment=MARKS["place"])
    async with transaction(world.context(hospital)) as act:
        until = world.clock.now() + timedelta(days=1)
        await attestations.attest(act, patient_id, Relation.ESTABLISHMENT_CARE, until=until, proof=MARKS["proof"])
    async with world.tenant.database.transaction() as connection:
        await connection.execute(
            text(
                "insert into emergency_access (patient_id, access_id, subject, name, reason, valid_from, valid_until,"
                " review_due_at) values (:patient_id, gen_random_uuid(), 'professional:x', 'Dr', :reason, now(), now(),"
                " now())"
            ),
            {"patient_id": patient_id, "reason": MARKS["reason"]},
        )
    async with transaction(world.context(person)) as act:
        await post(
            act,
            recipient=person.subject,
            key="essai",
            kind=NoticeKind.NEWCOMER,
            patient_id=patient_id,
            about={"name": MARKS["notice"]},
        )
        await lifecycle.close(act, patient_id, reason=MARKS["proof"])
    async with transaction(world.context(person)) as act:
        await erasure.request_erasure(act, patient_id, proof=MARKS["request"])
    label = "CR ou fiche de consultation"
    before = _dump(tenant_database.owner_url)
    assert label.split()[0] in before
    for mark in (mark for name, mark in MARKS.items() if name != "content"):
        assert mark in before, mark
    sha256 = {incoming.sha256, moved.sha256}
    assert all(each in before for each in sha256)

    await erasure.erase_now(world.context(SYSTEM), patient_id)

    after = _dump(tenant_database.owner_url)
    for mark in (*MARKS.values(), *sha256):
        assert mark not in after, mark
    own = [line for line in after.splitlines() if str(patient_id) in line]
    assert not [line for line in own if "consultation" in line.lower()]
    async with world.tenant.database.transaction() as connection:
        named = select(filed.c.document_id, filed.c.content_name, filed.c.title)
        blanked = (await connection.execute(named.where(filed.c.patient_id.in_([patient_id, wrong_id])))).all()
    assert {(row.content_name, row.title) for row in blanked} == {("", "")}
    assert [name async for name in world.tenant.contents.names()] == []
    folder = Path(urlsplit(world.tenant.contents.url).path)
    octets = await asyncio.to_thread(lambda: [path.read_bytes() for path in folder.rglob("*") if path.is_file()])
    assert not [each for each in octets if MARKS["content"].encode() in each]
    own_ids = {str(row.document_id) for row in blanked}
    assert len(own_ids) == 3
    assert not [each async for each in verify_contents(world.tenant) if each is not None and each.about in own_ids]
    assert not [each for each in await authors_out_of_step(world.tenant) if each.about in own_ids]
