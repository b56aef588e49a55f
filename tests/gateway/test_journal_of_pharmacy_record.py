"""Where a network lets the attending physician read the journal, he learns from it of no pharmacy record."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from passerelle.audit.transactions import transaction
from passerelle.dossier import attending, following, representation
from passerelle.dossier.representation import RepresentationBasis
from passerelle.kernel.clock import SetClock
from passerelle.kernel.errors import Refused
from passerelle.pharmacy import presence, records
from passerelle.pharmacy.presence import PresenceProof
from passerelle_graphql.execution import Executor
from passerelle_policies.vocabulary import PHARMACY_KINDS
from tests import builders
from tests.conftest import Cloned
from tests.gateway.records import Record, new_record
from tests.gateway.serving import Serving, serving_over
from tests.gateway.test_compiled import LINES, asked, both


@pytest.fixture(scope="module")
async def serving(
    tenant_database: Cloned, directory_database: Cloned, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Serving]:
    clock, rules = SetClock(datetime(2026, 11, 16, 9, tzinfo=UTC)), {"attending_physician.reads_journal": True}
    folder, databases = tmp_path_factory.mktemp("gateway"), (tenant_database.database, directory_database.database)
    async with serving_over(*databases, folder, clock, rules={"parameters": rules}) as serving:
        yield serving


async def _happened(serving: Serving) -> tuple[Record, Record]:
    """A patient with a pharmacy record and an attending physician who tried it, and one who represents him."""
    record, guardian = await new_record(serving), await new_record(serving)
    world, pharmacist = serving.world, builders.at_the_counter()
    async with transaction(world.context(record.person)) as act:
        await attending.declare_attending_physician(act, record.patient_id, record.doctor_actor.id)
    async with transaction(world.context(builders.operator())) as act:
        await representation.declare_representative(
            act, record.patient_id, guardian.person.id, basis=RepresentationBasis.GUARDIANSHIP, proof="jugement"
        )
    async with transaction(world.context(pharmacist)) as act:
        await presence.attest_presence(act, record.patient_id, shown=PresenceProof.VITALE_CARD)
        await records.open_(act, record.patient_id, proof="accord au comptoir")
    for mode in (builders.professional(), record.doctor_actor):
        with pytest.raises(Refused):
            async with transaction(world.context(mode)) as act:
                await records.state_of(act, record.patient_id)
    return record, guardian


async def test_the_attending_physician_reads_the_journal_without_the_pharmacy_record(serving: Serving) -> None:
    record, guardian = await _happened(serving)
    pharmacy = {"pharmacy_record"}
    for client, is_shown in ((record.patient, True), (guardian.patient, True), (record.doctor, False)):
        pages = [
            (await asked(serving, client, LINES, each, id=record.id))["data"]["journal"]
            for each in (Executor.COMPILED, Executor.STRAWBERRY)
        ]
        for page in pages:
            kinds = {edge["node"]["kind"] for edge in page["edges"]}
            assert {"journal", "dossier"} <= kinds
            assert kinds & {each.value for each in PHARMACY_KINDS} == (pharmacy if is_shown else set())
        # Page by page too: nothing shows that there was a line between two others.
        after = pages[0]["pageInfo"]["startCursor"]
        older = json.loads(await both(serving, client, LINES, id=record.id, after=after, first=3))["data"]["journal"]
        assert older["edges"] == pages[0]["edges"][1:4]


async def test_what_is_told_as_it_is_written_leaves_it_out_too(serving: Serving) -> None:
    record, _ = await _happened(serving)
    written = range(1, 1_000)
    for reader, is_shown in ((record.person, True), (record.doctor_actor, False)):
        told = await following.lines(serving.world.context(reader), record.patient_id, written)
        assert told
        assert any(each["kind"] in PHARMACY_KINDS for each in told) == is_shown
