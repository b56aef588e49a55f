"""A whole installation, one of its processes after another killed in the middle of what it does.

Nothing acknowledged is lost, what was cut short is completed by running it again, what is due is done once, and all of
it goes on by itself. What is acknowledged stays (docs/decisions/0070).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import literal, select

from passerelle.identities.directory import Establishment, Practice, Professional
from passerelle.kernel.clock import SetClock, SystemClock
from passerelle.kernel.database import Database, Statement
from passerelle.kernel.errors import TryLater
from passerelle_ops.installation import Installation
from passerelle_ops.stack.addresses import Addresses
from passerelle_ops.stack.state import is_alive
from tests.builders import World, document, professional
from tests.running.feeder import AWAY, LATER, Feeder
from tests.running.house import AT_ONCE, SECONDS, TENANT, Corpus, House, Ingest, eventually, filed

pytestmark = pytest.mark.timeout(900)  # several processes start again on a machine that may be busy


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    house = House(tmp_path_factory.mktemp("house"))
    yield house
    house.close()


@pytest.fixture
def house(running: House) -> House:
    running.serves()
    return running


@pytest.fixture
def corpus(tmp_path: Path) -> Callable[..., Corpus]:
    """Makes a corpus that no other test has."""
    return lambda documents, name="": Corpus(tmp_path / f"{tmp_path.name}{name}", documents=documents)


def completes(house: House, corpus: Corpus, acknowledged: dict[str, str]) -> None:
    """Another run says `already_here` for all that was acknowledged, and files the rest; all is there once."""
    again = house.run("ingest", str(corpus.folder), "--tenant", TENANT, "--json")
    assert again.code == 0, again
    rows = {each["unique_id"]: each for each in again.json["files"]}
    assert rows.keys() == corpus.expected.keys()
    for unique_id, document_id in acknowledged.items():
        assert (rows[unique_id]["result"], rows[unique_id]["document_id"]) == ("already_here", document_id)
    totals = again.json["totals"]
    assert totals["set_aside"] == totals["refused"] == 0
    assert totals["already_here"] >= len(acknowledged)
    house.holds(corpus, filed(again.json["files"]))
    assert house.rows("select count(*) from document where unique_id = any(%s)", list(corpus.expected)) == [
        (len(corpus),)
    ]


def test_it_serves_works_and_logs_lines_of_json(house: House) -> None:
    house.rings()
    eventually((house.settings.state / "worker.ready").exists, "the worker listens")
    for name in ("web", "worker"):
        lines = (house.settings.state / "logs" / f"{name}.log").read_text().splitlines()
        assert json.loads(lines[0])["networks"] == [TENANT], name


def test_a_killed_ingest_is_completed_by_the_next(house: House, corpus: Callable[..., Corpus]) -> None:
    files = corpus(80)
    ingest = Ingest(house, files)
    ingest.until(10)
    ingest.kill()
    acknowledged = filed(ingest.acknowledged())
    assert 10 <= len(acknowledged) < len(files)
    house.holds(files, acknowledged)
    house.verifies()
    completes(house, files, acknowledged)


def _goes_on(house: House, files: Corpus, ingest: Ingest, before: dict[str, str]) -> None:
    """An ingest that has waited long enough is done, and says what it said before."""
    done = ingest.done()
    assert done.code == 0, done
    assert "Traceback" not in done.err
    assert filed(done.json["files"]) == filed(ingest.acknowledged())
    assert before.items() <= filed(done.json["files"]).items()
    completes(house, files, filed(done.json["files"]))


def test_an_ingest_waits_for_the_database_and_goes_on(house: House, corpus: Callable[..., Corpus]) -> None:
    files = corpus(80)
    ingest = Ingest(house, files, "--patience", str(SECONDS))  # longer than a start takes on a busy machine
    ingest.until(10)
    house.kill("postgres")
    before = filed(ingest.acknowledged())
    assert 10 <= len(before) < len(files)
    house.serves()
    _goes_on(house, files, ingest, before)


def test_without_a_platform_who_waits_goes_on_and_who_does_not_is_told(
    house: House, corpus: Callable[..., Corpus]
) -> None:
    patient, hasty = corpus(80, "patient"), corpus(80, "hasty")
    waiting, giving_up = Ingest(house, patient, "--patience", str(SECONDS)), Ingest(house, hasty, "--patience", "0.5")
    for ingest in (waiting, giving_up):
        ingest.until(10)
        ingest.pause()  # whichever comes first leaves something for the blow to interrupt
    house.kill("supervisor")
    before = filed(waiting.acknowledged())
    assert 10 <= len(before) < len(patient)
    waiting.resume()
    giving_up.resume()

    done = giving_up.done()
    assert done.code == 6, done
    assert "Traceback" not in done.err
    assert "relancez la même commande" in done.err
    assert done.json["interrupted"] in AWAY
    acknowledged = filed(done.json["files"])
    assert acknowledged == filed(giving_up.acknowledged())
    assert 10 <= len(acknowledged) < len(hasty)
    for words in (("ingest", str(hasty.folder)), ("verify", "contents"), ("verify", "journal")):
        told = house.run(*words, "--tenant", TENANT)
        assert (told.code, told.out) == (3, ""), told

    house.serves()  # opened again; one that cannot be says why
    house.holds(hasty, acknowledged)
    house.verifies()
    completes(house, hasty, acknowledged)
    _goes_on(house, patient, waiting, before)
    house.rings()


@pytest.mark.parametrize("victim", ["web", "postgres", "supervisor"])
async def test_what_the_gateway_acknowledged_is_there_whatever_is_killed(
    house: House, corpus: Callable[..., Corpus], victim: str
) -> None:
    files = corpus(80)
    feeder = Feeder(house)
    await feeder.register()

    feeding = asyncio.create_task(feeder.feed(files))
    while len(feeder.acknowledged) < 15 and not feeding.done():  # noqa: ASYNC110 - counted, not announced
        await asyncio.sleep(0.005)
    assert not feeding.done(), (feeding, feeder.problems)
    house.kill(victim)
    await feeding
    acknowledged = dict(feeder.acknowledged)
    assert 15 <= len(acknowledged) < len(files.by_http)
    assert set(feeder.problems) <= LATER | {"PARENT_UNKNOWN"}, feeder.problems
    await asyncio.to_thread(house.serves)
    await asyncio.to_thread(house.verifies)
    again = await feeder.feed_all(files)
    assert {again[each] for each in acknowledged} == {"ALREADY_HERE"}
    assert feeder.acknowledged.keys() == files.by_http, feeder.problems
    await asyncio.to_thread(house.holds, files, feeder.acknowledged)
    await asyncio.to_thread(house.rings)


async def _asked_until_it_falls(database: Database, blow: Callable[[], None]) -> None:
    async with database.transaction() as connection:
        blow()
        while True:
            await connection.execute(select(literal(1)))


async def test_a_pool_outlives_its_server(house: House) -> None:
    """Stale connections are found out and replaced; meanwhile a caller hears that he may try later."""
    one = Statement(select(literal(1)))
    database = Database(Addresses(house.settings).tenant_url(TENANT), pool_size=4)
    try:
        await asyncio.gather(*(database.fetch(one, {}) for _ in range(16)))
        async with database.transaction() as connection:
            await connection.execute(select(literal(1)))
        with pytest.raises(TryLater):
            await _asked_until_it_falls(database, lambda: house.kill("postgres"))
        await asyncio.to_thread(house.serves)
        assert await asyncio.gather(*(database.fetch(one, {}) for _ in range(8))) == [[(1,)]] * 8
        async with database.transaction() as connection:
            assert (await connection.execute(select(literal(1)))).scalar_one() == 1
    finally:
        await database.close()


def test_it_goes_on_without_its_broker_which_holds_ids_of_networks_alone(house: House) -> None:
    """A dump of what Celery sends: the two tasks, with no argument but the name of one and the id of a network."""
    house.kill("valkey")
    house.serves()
    house.rings()
    aof = b"".join(path.read_bytes() for path in (house.settings.state / "valkey").rglob("*.aof"))
    assert b"turns.one" in aof
    assert b"house.bell_rang" not in aof


PHARMACIES = 200
DELIVERED = "select count(*) from recall_delivery where delivered_at is not null"


async def _pharmacies(installation: Installation) -> None:
    """Pharmacies with a pharmacist each."""
    places = [
        Establishment(finess=f"31{each:07d}", name="Pharmacie", basin="essai", tenant_id=TENANT, category="SA33")
        for each in range(PHARMACIES)
    ]
    people = [
        Professional(
            rpps=f"99901{number:06d}",
            family_name="ESSAI",
            given_name="Dominique",
            profession="21",
            practices=(Practice(tenant_id=TENANT, finess=place.finess),),
        )
        for number, place in enumerate(places)
    ]
    await installation.directory.register_establishments(places)
    await installation.directory.register_professionals(people)


@pytest.fixture
async def installation(house: House) -> AsyncIterator[Installation]:
    installation = Installation(house.settings)
    yield installation
    await installation.close()


def _hidden(house: House, days: dict[UUID, int]) -> None:
    """The document of each was hidden from its patient so many days ago, as far as the database knows."""
    with house.connect() as connection, connection.transaction():
        for patient_id, since in days.items():
            connection.execute(
                "update document set hidden_since = hidden_since - make_interval(days => %s),"
                " hidden_until = hidden_until - make_interval(days => %s) where patient_id = %s",
                (since, since, patient_id),
            )


def _kinds(house: House, patient_id: UUID) -> list[str]:
    return [kind for (kind,) in house.rows("select kind from notice where patient_id = %s order by kind", patient_id)]


def _told(house: House, patients: list[UUID]) -> int:
    return int(house.rows("select count(*) from notice where patient_id = any(%s)", patients)[0][0])


async def test_what_is_recalled_or_due_is_told_once_though_the_worker_dies(
    house: House, installation: Installation
) -> None:
    """It dies while it recalls, then while it works through what an outage left, and starts with a first turn."""
    await _pharmacies(installation)
    tenant = await (await installation.registry()).tenant(TENANT)
    world = World(tenant=tenant, clock=SetClock(SystemClock().now()))
    shown, early, *patients = [(await world.patient())[0] for _ in range(32)]
    for patient_id in (shown, early, *patients):
        await world.publish(patient_id, document(author=professional(), hidden_from_patient=True))
    said = ("--level", "urgent", "--source", "essai", "--reference", "A-1", "--message", "Mettre de côté.")
    issued = await asyncio.to_thread(house.run, "recall", "issue", "--tenant", TENANT, *said, "--json")
    assert issued.code == 0, issued
    eventually(lambda: house.rows(DELIVERED)[0][0] > 0, "a pharmacy is told", every=AT_ONCE)
    house.kill("worker")
    delivered = house.rows(DELIVERED)[0][0]
    assert 0 < delivered < PHARMACIES, f"killed too late to show anything: {delivered}"
    _hidden(house, {shown: 40, early: 13} | dict.fromkeys(patients, 15))
    eventually(lambda: _told(house, patients) > 0, "some are told", every=AT_ONCE)
    house.kill("worker")

    eventually(lambda: house.rows(DELIVERED) == [(PHARMACIES,)], "every pharmacy is told")
    notices = "select count(*), count(distinct recipient) from notice where kind = 'recall'"
    assert house.rows(notices) == [(PHARMACIES, PHARMACIES)]
    follow = ("recall", "follow", issued.json["recall_id"], "--tenant", TENANT, "--json")
    followed = (await asyncio.to_thread(house.run, *follow)).json
    counts = {name: followed[name] for name in ("waiting", "delivered", "acknowledged", "escalated")}
    assert counts == {"waiting": 0, "delivered": PHARMACIES, "acknowledged": 0, "escalated": 0}
    eventually(lambda: _told(house, patients) == len(patients), "all are told")
    assert house.rows(
        "select count(*), count(distinct patient_id), count(distinct notice_id) from notice"
        " join notice_delivery using (recipient, notice_id) where patient_id = any(%s)",
        patients,
    ) == [(30, 30, 30)]
    eventually(lambda: _kinds(house, shown) == ["announcement_shown"], "the document is shown")
    assert house.rows("select metadata_version from document where patient_id = %s", shown) == [(2,)]
    assert _kinds(house, early) == []


def test_after_all_that_the_journal_and_the_contents_agree(house: House) -> None:
    """Orphans are what filings cut short may leave: whole, listed, and shown by nothing."""
    told = house.verifies()
    journal = house.run("verify", "journal", "--tenant", TENANT, "--json")
    assert (journal.code, journal.json["findings"]) == (0, []), journal
    known = {row[0] for row in house.rows("select content_name from document")}
    assert not known & set(told["orphans"])
    stored = {each.name for each in (house.settings.state / "contents" / TENANT).glob("*/*") if "#" not in each.name}
    assert stored == known | set(told["orphans"])


def test_a_network_that_is_broken_stops_no_other(house: House) -> None:
    with psycopg.connect(Addresses(house.settings).directory_owner_url(), autocommit=True) as directory:
        directory.execute(
            "insert into tenant select 'fantome', 'Fantôme', is_test, jsonb_set(settings, '{id}', '\"fantome\"'),"
            " created_at from tenant where tenant_id = %s",
            (TENANT,),
        )
    before = _failures(house)
    eventually(lambda: "fantome" in _failures(house)[len(before) :], "the other network's turns fail")
    house.rings()
    assert TENANT not in _failures(house)[len(before) :]


def _failures(house: House) -> list[str]:
    """The network of each turn that failed."""
    log = (house.settings.state / "logs" / "worker.log").read_text("utf-8").splitlines()
    lines = [json.loads(line) for line in log if line.startswith("{")]
    return [line["tenant"] for line in lines if line["event"] == "task failed"]


def test_it_stops_cleanly_at_last(house: House) -> None:
    pids = house.info().pids
    assert house.close() == 0
    assert not [pid for pid in pids.values() if is_alive(pid)]
