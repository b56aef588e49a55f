"""Who came to a record away from home stands in the patient's journal at home, as far as he may know of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from passerelle.audit import journal
from passerelle.audit.sealing import seal
from passerelle.audit.tallies import DECISIONS
from passerelle.audit.verification import verify_journal
from passerelle.dossier import documents, reading
from passerelle.dossier.verification import acts_without_line
from passerelle.identities.directory import Directory
from passerelle.kernel.actors import Actor
from passerelle.kernel.errors import Refused
from passerelle_tenants.federation import journals
from passerelle_tenants.federation.kinds.document_marks import DocumentMarks
from passerelle_tenants.federation.kinds.documents import Documents
from passerelle_tenants.federation.kinds.journal_lines import JournalLines
from passerelle_tenants.federation.kinds.relations import Relations
from tests.builders import World, document, professional
from tests.conftest import Cloned
from tests.federation.visits.visiting import Visit, visit


@pytest.fixture(scope="module")
async def between(
    tenant_database: Cloned,
    elsewhere: Cloned,
    directory_database: Cloned,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Visit]:
    kinds = (Relations(), Documents(), DocumentMarks(), JournalLines())
    databases = [tenant_database.database, elsewhere.database]
    folder = tmp_path_factory.mktemp("journals")
    async with visit(databases, Directory(directory_database.database), folder, kinds) as made:
        yield made


async def _sealed(between: Visit) -> None:
    """What was written away from home is owed to it, and goes, twice and in any order."""
    for world in (between.away, between.home):
        await seal(world.tenant, world.clock)
        await journals.owe(between.offices[world.tenant.id])
    await between.travel()


async def _reads(world: World, who: Actor, patient_id: UUID, document_id: UUID | None = None) -> None:
    with suppress(Refused):
        if document_id is None:
            await reading.open_dossier(world.context(who), patient_id)
        else:
            await documents.open_content(world.context(who), document_id)


async def _told(between: Visit, reader: Actor, patient_id: UUID, *by: Actor) -> list[tuple[Any, ...]]:
    """What a reader is told at home of what these did elsewhere: who, what, of which document, where, outcome."""
    ids = {each.id for each in by}
    return [
        (each.actor_id, each.action, each.document_id, each.facts["network"], each.outcome)
        for each in await between.home.journal(reader, patient_id)
        if each.actor_id in ids and "line_elsewhere" in each.facts
    ]


async def test_what_others_did_elsewhere_stands_in_the_journal_at_home_once(between: Visit) -> None:
    home, away, himself, himself_away = await between.patient()
    doctor, stranger = professional(), professional()
    counted = dict(DECISIONS.counted)
    await between.away.authorize(away, himself_away, doctor)
    kept = await between.away.publish(away, document())
    await between.travel()
    await _reads(between.away, doctor, away)
    await _reads(between.away, doctor, away, kept)
    await _reads(between.away, stranger, away)
    await _sealed(between)
    await journals.owe(between.offices["toulouse"])
    await _sealed(between)

    assert await _told(between, himself, home, doctor, stranger) == [
        (stranger.id, "read", None, "toulouse", "refused"),
        (doctor.id, "read", kept, "toulouse", "allowed"),
        (doctor.id, "read", None, "toulouse", "allowed"),
    ]
    # What he did there himself is his own here: one person, another pseudonym.
    assert ("grant", "toulouse") in {
        (each.action, each.facts.get("network"))
        for each in await between.home.journal(himself, home)
        if each.actor_id == himself.id
    }
    # Home says nothing of it to the network that said it, and its chain holds.
    assert not await _told_away(between, himself_away, away)
    assert await between.owed() == []
    await seal(between.home.tenant, between.clock)
    refused = ("nantes", "dossier", "read", "refused")  # Toulouse counts it
    assert DECISIONS.counted.get(refused) == counted.get(refused)
    assert not (await verify_journal(between.home.tenant, between.clock)).findings
    assert not await acts_without_line(between.home.tenant)  # who filed there has his line there


async def _told_away(between: Visit, reader: Actor, patient_id: UUID) -> list[str]:
    return [each.action for each in await between.away.journal(reader, patient_id) if "line_elsewhere" in each.facts]


async def test_a_line_about_what_is_hidden_waits_as_the_document_does(between: Visit) -> None:
    """Before its entry has come, and while it is hidden, the patient's journal differs by nothing."""
    home, away, himself, himself_away = await between.patient()
    author = professional()
    await between.away.authorize(away, himself_away, author)
    await between.travel()
    await _reads(between.away, author, away)
    await _sealed(between)
    before = await _told(between, himself, home, author)

    hidden = await between.away.publish(away, document(author=author, hidden_from_patient=True), author)
    await _reads(between.away, author, away, hidden)
    await _sealed(between)

    assert await _told(between, himself, home, author) == before
    line = journal.lines().c
    entered = select(line.actor_id, line.action).where(line.document_id == hidden, line.facts.has_key("network"))
    assert [tuple(row) for row in await between.rows(between.home, entered)] == [(author.id, "read")]
    assert await between.owed() == []
