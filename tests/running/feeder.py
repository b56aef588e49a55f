"""The software of the documents' author, over HTTP against an installation that may fall."""

from __future__ import annotations

import asyncio
import base64
import time
from pathlib import Path
from typing import Any

import httpx2

from passerelle.identities.directory import Practice, Professional
from passerelle_graphql.ids import Node, key_of
from passerelle_ops.demo.issuer import FOLDER, DemoIssuer
from passerelle_ops.installation import Installation
from tests.running.house import SECONDS, TENANT, WRITER, Corpus, House

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


class Feeder:
    """It feeds three documents at a time, and notes what is acknowledged."""

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
