"""Whatever is killed in the middle of an ingest: nothing acknowledged is lost, and running it again completes it.

What is acknowledged stays (docs/decisions/0070).
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import literal, select

from passerelle.identities.directory import Establishment, Practice, Professional
from passerelle.kernel.database import Database, Statement
from passerelle.kernel.errors import TryLater
from passerelle_graphql.ids import Node, key_of
from passerelle_ops.demo.issuer import FOLDER, DemoIssuer
from passerelle_ops.installation import Installation
from passerelle_ops.stack.addresses import Addresses
from tests.running.house import SECONDS, TENANT, WRITER, Corpus, House, Ingest, eventually, filed

pytestmark = pytest.mark.timeout(900)  # several processes start again on a machine that may be busy

PUBLISH = """mutation ($submission: SubmissionInput!) {
  publishDocument(submission: $submission) {
    __typename
    ... on Filed { documents { filing documentId uniqueId } }
    ... on Problem { code }
  }
}"""
AWAY = {"DATABASE_AWAY", "DATABASE_BUSY", "CONTENT_STORE_AWAY"}
# What else the gateway may say while others die around it; whoever hears it tries again.
LATER = AWAY | {"IDENTITY_ISSUER_UNAVAILABLE", "OPERATION_TOO_SLOW"}


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
def corpus(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[int], Corpus]:
    """Makes a corpus that no other test has."""
    return lambda documents: Corpus(tmp_path / request.node.name.replace("[", "-").rstrip("]"), documents=documents)


def completes(house: House, corpus: Corpus, acknowledged: dict[str, str]) -> None:
    """Another run says `already_here` for all that was acknowledged, and files the rest; all is there once."""
    again = Ingest(house, corpus).done()
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


def test_a_killed_ingest_is_completed_by_the_next(house: House, corpus: Callable[[int], Corpus]) -> None:
    files = corpus(150)
    ingest = Ingest(house, files)
    ingest.until(20)
    ingest.kill()
    acknowledged = filed(ingest.acknowledged())
    assert 20 <= len(acknowledged) < len(files)
    house.holds(files, acknowledged)
    house.verifies()
    completes(house, files, acknowledged)


@pytest.mark.parametrize("victim", ["postgres", "supervisor"])
def test_an_ingest_waits_for_the_database_and_goes_on(
    house: House, corpus: Callable[[int], Corpus], victim: str
) -> None:
    files = corpus(100)
    ingest = Ingest(house, files, "--patience", str(SECONDS))  # longer than a start takes on a busy machine
    ingest.until(20)
    house.kill(victim)
    before = filed(ingest.acknowledged())
    assert 20 <= len(before) < len(files)
    house.serves()  # opened again where the supervisor was killed; one that cannot says why
    done = ingest.done()
    assert done.code == 0, done
    assert "Traceback" not in done.err
    assert filed(done.json["files"]) == filed(ingest.acknowledged())
    assert before.items() <= filed(done.json["files"]).items()
    completes(house, files, filed(done.json["files"]))


def test_an_ingest_that_waits_in_vain_says_what_is_done_and_what_to_do(
    house: House, corpus: Callable[[int], Corpus]
) -> None:
    files = corpus(100)
    ingest = Ingest(house, files, "--patience", "0.5")
    ingest.until(20)
    house.kill("supervisor")
    done = ingest.done()
    assert done.code == 6, done
    assert "Traceback" not in done.err
    assert "relancez la même commande" in done.err
    assert done.json["interrupted"] in AWAY
    acknowledged = filed(done.json["files"])
    assert acknowledged == filed(ingest.acknowledged())
    assert 20 <= len(acknowledged) < len(files)
    house.serves()
    house.holds(files, acknowledged)
    house.verifies()
    completes(house, files, acknowledged)


def test_without_a_platform_a_command_says_so(running: House, corpus: Callable[[int], Corpus]) -> None:
    running.serves()
    running.kill("supervisor")
    for words in (("ingest", str(corpus(1).folder)), ("verify", "contents"), ("verify", "journal")):
        done = running.run(*words, "--tenant", TENANT)
        assert (done.code, "Traceback" in done.err) == (3, False), done


class Feeder:
    """The software of the documents' author: it feeds over HTTP, three at a time, and notes what is acknowledged."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.acknowledged: dict[str, str] = {}
        self.problems: list[str] = []

    async def register(self) -> None:
        installation = Installation(self._house.settings)
        person = Professional(
            rpps=WRITER.rpps,
            family_name=WRITER.family_name,
            given_name=WRITER.given_name,
            profession="10",
            practices=(Practice(tenant_id=TENANT),),
        )
        try:
            await installation.directory.register_professionals([person])
        finally:
            await installation.close()

    async def feed(self, corpus: Corpus) -> dict[str, str]:
        """Send every CDA and XDM in turn; how each answered one was filed, by uniqueId. Silence is no answer."""
        info = self._house.info()
        issuer = DemoIssuer(self._house.settings.state / FOLDER, info.url("issuer"))
        token = issuer.mint_professional(
            rpps=WRITER.rpps, family_name=WRITER.family_name, given_name=WRITER.given_name, profession="10"
        )
        files = iter(sorted((each for each in corpus.folder.iterdir() if each.suffix in {".xml", ".zip"}), key=_rank))
        filings: dict[str, str] = {}
        async with httpx2.AsyncClient(
            base_url=info.url("web"), headers={"authorization": f"Bearer {token}"}, timeout=60
        ) as client:

            async def send_some() -> None:
                for file in files:
                    what = {"cda" if file.suffix == ".xml" else "xdm": base64.b64encode(file.read_bytes()).decode()}
                    body = {"query": PUBLISH, "variables": {"submission": what}}
                    try:
                        answer = (await client.post(f"/{TENANT}/graphql", json=body)).json()
                    except httpx2.TransportError:
                        continue
                    filings.update(self._noted(answer))

            await self._let_in(client)
            await asyncio.gather(*(send_some() for _ in range(3)))
        return filings

    async def feed_all(self, corpus: Corpus) -> dict[str, str]:
        """Feed it again until all is filed: what must wait, or was not heard, is sent another time."""
        self.problems.clear()
        end = time.monotonic() + SECONDS
        filings = await self.feed(corpus)
        while filings.keys() < corpus.by_http and time.monotonic() < end:
            assert set(self.problems) <= LATER | {"PARENT_UNKNOWN"}, self.problems
            await asyncio.sleep(1.0)
            filings = await self.feed(corpus) | filings
        return filings

    async def _let_in(self, client: httpx2.AsyncClient) -> None:
        """Ask who we are until the gateway knows: the issuer of its tokens may be slow the first time."""
        end = time.monotonic() + SECONDS
        while True:
            answer = (await client.post(f"/{TENANT}/graphql", json={"query": "{ me { kind } }"})).json()
            if "errors" not in answer:
                return
            assert answer["errors"][0]["extensions"]["code"] in LATER, answer
            assert time.monotonic() < end, answer
            await asyncio.sleep(1.0)

    def _noted(self, answer: dict[str, Any]) -> dict[str, str]:
        if "errors" in answer:
            self.problems.append(answer["errors"][0]["extensions"]["code"])
            return {}
        result = answer["data"]["publishDocument"]
        if result["__typename"] != "Filed":
            self.problems.append(result["code"])
            return {}
        for each in result["documents"]:
            document_id = str(key_of(Node.DOCUMENT, each["documentId"]))
            assert self.acknowledged.setdefault(each["uniqueId"], document_id) == document_id, "another was made"
        return {each["uniqueId"]: each["filing"] for each in result["documents"]}


def _rank(file: Path) -> str:
    """What is replaced before what replaces it."""
    return file.stem.rpartition("-")[2]


@pytest.mark.parametrize("victim", ["web", "postgres", "supervisor"])
async def test_what_the_gateway_acknowledged_is_there_whatever_is_killed(
    house: House, corpus: Callable[[int], Corpus], victim: str
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


PHARMACIES = 200
DELIVERED = "select count(*) from recall_delivery where delivered_at is not null"


async def _pharmacies(house: House) -> None:
    """Pharmacies with a pharmacist each."""
    installation = Installation(house.settings)
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
    try:
        await installation.directory.register_establishments(places)
        await installation.directory.register_professionals(people)
    finally:
        await installation.close()


async def test_a_recall_reaches_every_pharmacy_once_though_the_worker_dies(house: House) -> None:
    await _pharmacies(house)
    said = ("--level", "urgent", "--source", "essai", "--reference", "A-1", "--message", "Mettre de côté.")
    issued = house.run("recall", "issue", "--tenant", TENANT, *said, "--json")
    assert issued.code == 0, issued
    eventually(lambda: house.rows(DELIVERED)[0][0] > 0, "a pharmacy is told")
    house.kill("worker")
    told = house.rows(DELIVERED)[0][0]
    assert 0 < told < PHARMACIES, f"killed too late to show anything: {told}"
    eventually(lambda: house.rows(DELIVERED) == [(PHARMACIES,)], "every pharmacy is told")
    notices = "select count(*), count(distinct recipient) from notice where kind = 'recall'"
    assert house.rows(notices) == [(PHARMACIES, PHARMACIES)]
    followed = house.run("recall", "follow", issued.json["recall_id"], "--tenant", TENANT, "--json")
    counts = {name: followed.json[name] for name in ("waiting", "delivered", "acknowledged", "escalated")}
    assert counts == {"waiting": 0, "delivered": PHARMACIES, "acknowledged": 0, "escalated": 0}


def test_after_all_that_the_journal_and_the_contents_agree(house: House) -> None:
    """Orphans are what filings cut short may leave: whole, listed, and shown by nothing."""
    told = house.verifies()
    journal = house.run("verify", "journal", "--tenant", TENANT, "--json")
    assert (journal.code, journal.json["findings"]) == (0, []), journal
    known = {row[0] for row in house.rows("select content_name from document")}
    assert not known & set(told["orphans"])
    stored = {each.name for each in (house.settings.state / "contents" / TENANT).glob("*/*") if "#" not in each.name}
    assert stored == known | set(told["orphans"])
