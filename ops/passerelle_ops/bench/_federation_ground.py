"""Four networks for a measure of what travels between them: one is home to everybody, the others file documents.

Patients, their places and documents are invented and laid down in the databases; nothing of it is a real person's.
What tells other networks of a document, its line in the outbox, comes later (`tell`): filing is not measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import md5
from typing import Final, LiteralString
from uuid import UUID

import psycopg
from psycopg import AsyncConnection
from rich.progress import Progress

from passerelle.dossier.events import DocumentPublished
from passerelle.identities.ins import NIR_TEST, Ins
from passerelle.kernel.actors import Actor
from passerelle.kernel.context import Tenant
from passerelle_ops.bench._ground import network
from passerelle_ops.bench._population import FINESS
from passerelle_ops.installation import Installation
from passerelle_ops.settings import Settings
from passerelle_ops.stack.addresses import Addresses
from passerelle_ops.stack.state import StackInfo
from passerelle_policies.vocabulary import ActorKind

HOME: Final = "domicile"
VISITED: Final = ("visite1", "visite2", "visite3")
NETWORKS: Final = (HOME, *VISITED)
#: How what must not be read at the broker begins: family names, titles of documents, INS.
NAME, TITLE, BORN = "CONFIDENTIELLE", "Compte rendu confidentiel", "28001990"
_EACH: Final = 20

_PATIENTS: Final[LiteralString] = """
    insert into patient (patient_id, person_key, ins_oid, ins_value, ins_status, family_name, used_name, given_names,
        birth_date, sex, registered_at)
    select md5(%(t)s::text || 'p' || n)::uuid, person_key, %(oid)s::text, ins_value, 'qualified', %(name)s || n, '',
        array['Camille'], '19800115', 'F', now() from known"""
#: `t` is the network, so that each has ids of its own; `n` numbers patients and documents from 1.
_FILL: Final[tuple[LiteralString, ...]] = (
    """insert into dossier (patient_id, state, opened_at, wrapped_key)
       select patient_id, 'open', now() - interval '400 days', '\\x00' from patient""",
    """insert into submission_set (patient_id, submission_set_id, unique_id, source_id, submitted_at)
       select patient_id, patient_id, '2.25.' || %(t)s::text || person_key, '1.2.250.1.999.1', now() from patient""",
    """insert into document (patient_id, document_id, entry_uuid, unique_id, chain_id, status, class_code, class_label,
           type_code, type_label, mime_type, title, authors, author_ids, structure_id, act_at, submission_set_id,
           filed_at, filed_by, size, sha256, content_name)
       select p, d, gen_random_uuid(), '2.25.' || %(t)s::text || '.' || n, d, 'current', '11', 'Comptes rendus',
           '11488-4', 'CR ou fiche de consultation', 'text/xml', %(title)s::text || ' n° ' || n,
           jsonb_build_array(jsonb_build_object('kind', 'professional', 'id', '899700000' || n %% 90 + 10,
               'family_name', %(name)s::text || n %% 90, 'given_name', 'Camille', 'structure_id', %(finess)s::text,
               'structure_name', 'Hôpital d''essai')),
           array['899700000' || n %% 90 + 10, %(finess)s::text], %(finess)s::text,
           now() - make_interval(hours => n %% 5000), p, now(), 'establishment:' || %(finess)s::text, 20000 + n,
           encode(sha256(d::text::bytea), 'hex'), gen_random_uuid()::text
       from (select n, md5(%(t)s::text || 'p' || n %% %(patients)s)::uuid as p, md5(%(t)s::text || 'd' || n)::uuid as d
             from generate_series(1, %(documents)s) n) as each""",
    """insert into patient_place (patient_id, tenant_id, is_home, since, owed_at)
       select patient_id, place, place = %(home)s::text, now(), now() from patient, unnest(%(places)s::text[]) place""",
)
_TELL: Final[LiteralString] = """
    insert into outbox (event_id, name, patient_id, payload, at, relayed_at)
    select gen_random_uuid(), %(event)s, patient_id, jsonb_build_object('document_id', document_id, 'replaces', null),
        clock_timestamp(), now()
    from generate_series(%(first)s::int, %(last)s::int) n
    join document on document_id = md5(%(t)s::text || 'd' || n)::uuid"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Documents that each visited network files: `burst` of them at once, `paced` a few at a time."""

    burst: int
    paced: int

    @property
    def documents(self) -> int:
        return self.burst + self.paced

    @property
    def patients(self) -> int:
        return max(self.burst // _EACH, 10)


def ins_of(number: int) -> Ins:
    """A test INS with its right key."""
    first = f"{BORN}{number:05d}"
    return Ins(NIR_TEST, f"{first}{97 - int(first) % 97:02d}")


def patient_in(tenant: Tenant, number: int) -> Actor:
    """The patient of that number, as he is known in a network."""
    ins = ins_of(number)
    return Actor(kind=ActorKind.PERSON, id=tenant.keys.person_key(ins.oid, ins.value), name="Camille")


def document_of(name: str, number: int) -> UUID:
    """The document of that number in a network."""
    return UUID(md5(f"{name}d{number}".encode(), usedforsecurity=False).hexdigest())


async def settle(settings: Settings, info: StackInfo, size: Size, bar: Progress) -> None:
    """Set the four networks up, and fill their databases."""
    installation, addresses = Installation(settings, info), Addresses(settings, info)
    task = bar.add_task("Réseaux et documents", total=2 * len(NETWORKS))
    try:
        await installation.prepare_directory()
        for number, name in enumerate(NETWORKS):
            await installation.set_up(network(name, FINESS[number : number + 1]))
            bar.advance(task)
        registry = await installation.registry()
        for number, name in enumerate(NETWORKS):
            async with await AsyncConnection.connect(addresses.tenant_owner_url(name)) as connection:
                await _fill(connection, await registry.tenant(name), size, FINESS[number])
            bar.advance(task)
    finally:
        await installation.close()


async def _fill(connection: AsyncConnection, tenant: Tenant, size: Size, finess: str) -> None:
    name = tenant.id
    async with connection.cursor() as cursor:
        await cursor.execute("create temporary table known (n int, person_key text, ins_value text)")
        async with cursor.copy("copy known from stdin") as copy:
            for number in range(size.patients):
                ins = ins_of(number)
                await copy.write_row((number, tenant.keys.person_key(ins.oid, ins.value), ins.value))
        await cursor.execute(_PATIENTS, {"t": name, "oid": NIR_TEST, "name": NAME})
    given = {
        "t": name,
        "title": TITLE,
        "name": NAME,
        "finess": finess,
        "patients": size.patients,
        "documents": 0 if name == HOME else size.documents,
        "home": HOME,
        "places": list(VISITED) if name == HOME else [HOME],
    }
    for statement in _FILL:
        await connection.execute(statement, given)
    await connection.commit()
    await connection.set_autocommit(True)
    # The others are empty: counted as such, they would be planned for as if they stayed so.
    await connection.execute("vacuum (analyze) patient, dossier, submission_set, patient_place")
    if name != HOME:
        await connection.execute("vacuum (analyze) document")


class Books:
    """What the four databases say, read over connections that stay open; one that was cut is made again."""

    def __init__(self, urls: Mapping[str, str]) -> None:
        self._urls = urls
        self._open: dict[str, psycopg.Connection[tuple[object, ...]]] = {}

    def tell(self, name: str, first: int, last: int) -> None:
        """Let a network publish its documents of these numbers."""
        given = {"t": name, "event": DocumentPublished.name, "first": first, "last": last}
        self._run(name, _TELL, given)

    def ask(self, name: str, question: LiteralString, given: Mapping[str, object] | None = None) -> tuple[object, ...]:
        """The one row that answers. Raises what psycopg raises while the database is away."""
        row = self._run(name, question, given or {}).fetchone()
        if row is None:
            raise LookupError(question)
        return row

    def count(self, names: Sequence[str], question: LiteralString) -> int:
        """The sum of one number over networks."""
        return sum(int(str(self.ask(each, question)[0])) for each in names)

    def apart(self) -> Books:
        """The same books over connections of their own, for another thread."""
        return Books(self._urls)

    def close(self) -> None:
        for each in self._open.values():
            each.close()

    def _run(
        self, name: str, statement: LiteralString, given: Mapping[str, object]
    ) -> psycopg.Cursor[tuple[object, ...]]:
        if name not in self._open or self._open[name].closed:
            self._open[name] = psycopg.connect(self._urls[name], autocommit=True)
        return self._open[name].execute(statement, given)


def books(settings: Settings, info: StackInfo) -> Books:
    """The books of the four networks, read as their owner."""
    addresses = Addresses(settings, info)
    return Books({each: addresses.tenant_owner_url(each) for each in NETWORKS})
