"""What `passerelle verify` finds: a content, a key, a claim or a line that is not as it must be; and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest

from passerelle.audit.transactions import transaction
from passerelle.audit.verification import Finding
from passerelle.dossier import lifecycle
from passerelle.dossier.verification import (
    acts_without_line,
    authors_out_of_step,
    claims_without_document,
    count_contents,
    orphans,
    verify_contents,
)
from passerelle.kernel.clock import SetClock
from passerelle.kernel.context import Tenant
from tests.builders import World, document
from tests.conftest import Cloned


@dataclass(slots=True)
class Held:
    """One record with one document, and ways to damage it as no use case could."""

    world: World
    folder: Path
    owner_url: str
    patient_id: UUID
    document_id: UUID

    def damage(self, statement: str, *values: object) -> None:
        with psycopg.connect(self.owner_url, autocommit=True) as owner:
            owner.execute(statement.encode(), values)

    def file(self) -> Path:
        with psycopg.connect(self.owner_url, autocommit=True) as owner:
            query = b"select content_name from document where document_id = %s"
            [(name,)] = owner.execute(query, (self.document_id,)).fetchall()
        return self.folder / str(name)[-2:] / str(name)


@pytest.fixture
async def held(tenant: Tenant, tenant_database: Cloned, tmp_path: Path, clock: SetClock) -> Held:
    world = World(tenant=tenant, clock=clock)
    with psycopg.connect(tenant_database.owner_url, autocommit=True) as owner:
        # The keys and contents of the test before lay elsewhere.
        tables = (
            b"journal, outbox, patient, dossier, dossier_act, document, document_version, document_key, submission_set"
        )
        owner.execute(b"truncate " + tables + b" cascade")
    patient_id, _ = await world.patient()
    document_id = await world.publish(patient_id, document(content=b"contenu " * 20_000))
    return Held(world, tmp_path / "contents", tenant_database.owner_url, patient_id, document_id)


async def findings(tenant: Tenant) -> list[Finding]:
    found = [each async for each in verify_contents(tenant)]
    assert len(found) == await count_contents(tenant)
    return [each for each in found if each is not None]


async def test_a_sound_record_has_no_finding(held: Held) -> None:
    tenant = held.world.tenant
    assert await count_contents(tenant) == 1
    assert await findings(tenant) == []
    assert await orphans(tenant) == []
    assert await claims_without_document(tenant) == []
    assert await authors_out_of_step(tenant) == []
    assert await acts_without_line(tenant) == []


def _flip(file: Path) -> None:
    sealed = bytearray(file.read_bytes())
    sealed[len(sealed) // 2] ^= 1
    file.chmod(0o600)
    file.write_bytes(sealed)


def _cut(file: Path) -> None:
    file.chmod(0o600)
    file.write_bytes(file.read_bytes()[:-1])


@pytest.mark.parametrize(
    ("damage", "code"), [(_flip, "CONTENT_ALTERED"), (_cut, "CONTENT_ALTERED"), (Path.unlink, "CONTENT_MISSING")]
)
async def test_a_damaged_content_is_found(held: Held, damage: Callable[[Path], None], code: str) -> None:
    damage(held.file())
    assert await findings(held.world.tenant) == [Finding(code=code, about=str(held.document_id))]


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("update document set size = size + 1 where patient_id = %s", "CONTENT_ALTERED"),
        ("update document set sha256 = repeat('0', 64) where patient_id = %s", "CONTENT_ALTERED"),
        ("update dossier set wrapped_key = null where patient_id = %s", "DOSSIER_KEY_MISSING"),
        (
            (
                "update dossier set wrapped_key = set_byte(wrapped_key, 20, 255 - get_byte(wrapped_key, 20))"
                " where patient_id = %s"
            ),
            "DOSSIER_KEY_ALTERED",
        ),
    ],
)
async def test_an_entry_that_disagrees_is_found(held: Held, statement: str, code: str) -> None:
    held.damage(statement, held.patient_id)
    assert await findings(held.world.tenant) == [Finding(code=code, about=str(held.document_id))]


async def test_contents_of_two_documents_exchanged_are_found(held: Held) -> None:
    other = await held.world.publish(held.patient_id, document(content=b"autre " * 10))
    held.damage(
        "update document as one set content_name = two.content_name from document as two"
        " where one.patient_id = %s and two.patient_id = one.patient_id and two.document_id <> one.document_id",
        held.patient_id,
    )
    assert {each.about for each in await findings(held.world.tenant)} == {str(held.document_id), str(other)}


async def test_a_purged_record_is_passed_over(held: Held) -> None:
    world = held.world
    patient_id, person = await world.patient()
    await world.publish(patient_id, document())
    async with transaction(world.context(person)) as act:
        await lifecycle.close(act, patient_id, reason="essai")
        await lifecycle.purge(act, patient_id, basis=lifecycle.Basis.REQUEST, proof="demande signée")
    assert await count_contents(world.tenant) == 1
    assert await findings(world.tenant) == []
    assert await orphans(world.tenant) == []


async def test_an_orphan_is_listed_and_is_no_finding(held: Held) -> None:
    tenant = held.world.tenant
    name = str(uuid4())
    with psycopg.connect(held.owner_url, autocommit=True) as owner:
        query = b"select wrapped_key from dossier where patient_id = %s"
        [(wrapped,)] = owner.execute(query, (held.patient_id,)).fetchall()
    key = tenant.keys.dossier_key(tenant.id, held.patient_id, bytes(wrapped))
    await tenant.contents.put(name, b"coupe court", key, b"essai/rien")
    assert await orphans(tenant) == [name]
    assert await findings(tenant) == []


async def test_a_claim_that_leads_nowhere_is_found(held: Held) -> None:
    nowhere = uuid4()
    held.damage(
        "insert into document_key (unique_id, sha256, patient_id, document_id) values ('2.25.1', '', %s, %s)",
        held.patient_id,
        nowhere,
    )
    assert await claims_without_document(held.world.tenant) == [
        Finding(code="CLAIM_WITHOUT_DOCUMENT", about=str(nowhere))
    ]


@pytest.mark.parametrize(
    "damage",
    [
        "update document set author_ids = author_ids || '{99900000000}' where patient_id = %s",
        "update document_author set author_id = '99900000000' where patient_id = %s",
    ],
)
async def test_an_author_whom_no_search_finds_is_found(held: Held, damage: str) -> None:
    held.damage(damage, held.patient_id)
    [found] = await authors_out_of_step(held.world.tenant)
    assert found.code == "AUTHORS_DISAGREE"


async def test_an_act_without_its_line_is_found(held: Held) -> None:
    held.damage("delete from journal where patient_id = %s and action = 'publish'", held.patient_id)
    [found] = await acts_without_line(held.world.tenant)
    assert found.code == "ACT_WITHOUT_LINE"
    assert found.about.startswith(str(held.patient_id))
