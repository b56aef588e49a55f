"""A document's octets and its view: decisions, ranges, conditions, journal, headers."""

from __future__ import annotations

import hashlib
import random
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from passerelle.kernel.errors import InvalidInput
from passerelle_graphql import ranges
from passerelle_graphql.ids import Node, node_id
from passerelle_graphql.ranges import Span
from tests import builders
from tests.gateway.serving import Serving

OCTETS = random.Random(20261116).randbytes(200_000)
CDA = """<?xml version="1.0" encoding="UTF-8"?>
<?xml-stylesheet type="text/xsl" href="https://elsewhere.example/evil.xsl"?>
<ClinicalDocument xmlns="urn:hl7-org:v3">
  <id root="1.2.3" extension="{number}"/>
  <code code="11488-4" codeSystem="2.16.840.1.113883.6.1"/>
  <title>Consultation</title>
  <effectiveTime value="20261110093000+0100"/>
  <confidentialityCode code="N" codeSystem="2.16.840.1.113883.5.25"/>
  <languageCode code="fr-FR"/>
  <recordTarget><patientRole>
    <id root="1.2.250.1.213.1.4.10" extension="280019900001234"/>
    <patient><name><given>Alix</given><family>ESSAI</family></name></patient>
  </patientRole></recordTarget>
  <component><structuredBody><component><section>
    <title>Motif</title>
    <text><paragraph>Toux depuis trois jours</paragraph><script>alert(1)</script></text>
  </section></component></structuredBody></component>
</ClinicalDocument>"""


@dataclass(frozen=True, slots=True)
class Filed:
    """A document in an open record, and those who may or may not read it."""

    patient_id: UUID
    document_id: UUID
    url: str
    view: str
    doctor: httpx2.AsyncClient
    outsider: httpx2.AsyncClient


async def _filed(serving: Serving, content: bytes, mime_type: str = "text/xml") -> Filed:
    patient_id, person = await serving.world.patient(builders.ins_of(int(uuid4().int % 90_000) + 1000))
    actor, token = await serving.professional()
    await serving.world.authorize(patient_id, person, actor)
    incoming = builders.document(content=content)
    incoming = replace(incoming, metadata=replace(incoming.metadata, mime_type=mime_type))
    document_id = await serving.world.publish(patient_id, incoming)
    _, other = await serving.professional()
    base = f"/oncomip/documents/{node_id(Node.DOCUMENT, document_id)}"
    return Filed(
        patient_id, document_id, f"{base}/content", f"{base}/view", serving.client(token), serving.client(other)
    )


@pytest.fixture
async def filed(serving: Serving) -> Filed:
    return await _filed(serving, OCTETS)


async def _readings(serving: Serving, filed: Filed) -> list[str]:
    async with serving.world.tenant.database.transaction() as connection:
        rows = await connection.execute(
            text("select kind, outcome from journal where document_id = :d and action = 'read' order by line_id"),
            {"d": filed.document_id},
        )
        return [f"{row.kind}.{row.outcome}" for row in rows]


async def test_the_octets_come_as_they_were_filed_and_inert(filed: Filed) -> None:
    response = await filed.doctor.get(filed.url)

    assert response.status_code == 200
    assert response.content == OCTETS
    headers = response.headers
    assert headers["etag"] == f'"{hashlib.sha256(OCTETS).hexdigest()}"'
    assert headers["content-length"] == str(len(OCTETS))
    assert headers["content-type"] == "text/xml"
    assert headers["accept-ranges"] == "bytes"
    assert headers["cache-control"] == "private, no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in headers["content-security-policy"]
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["content-disposition"].startswith('attachment; filename="document-')
    assert "essai" not in headers["content-disposition"].lower()


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-9", 0, 10),
        ("bytes=65530-65545", 65_530, 65_546),
        ("bytes=131072-", 131_072, 200_000),
        ("bytes=-10", 199_990, 200_000),
        ("bytes=-999999", 0, 200_000),
        ("bytes=199999-999999", 199_999, 200_000),
    ],
)
async def test_one_range_is_206(asked: str, start: int, stop: int, filed: Filed) -> None:
    response = await filed.doctor.get(filed.url, headers={"range": asked})

    assert response.status_code == 206
    assert response.content == OCTETS[start:stop]
    assert response.headers["content-range"] == f"bytes {start}-{stop - 1}/200000"
    assert response.headers["content-length"] == str(stop - start)


@pytest.mark.parametrize("asked", ["bytes=200000-", "bytes=999999-1000000", "bytes=-0"])
async def test_a_range_outside_is_416(asked: str, filed: Filed) -> None:
    response = await filed.doctor.get(filed.url, headers={"range": asked})

    assert response.status_code == 416
    assert response.headers["content-range"] == "bytes */200000"
    assert response.json()["code"] == "RANGE_NOT_SATISFIABLE"


@pytest.mark.parametrize("asked", ["bytes=0-1,5-6", "octets=0-1", "bytes=9-1", "bytes=", "bytes=a-b", ""])
async def test_a_range_that_is_no_single_range_is_ignored(asked: str, filed: Filed) -> None:
    response = await filed.doctor.get(filed.url, headers={"range": asked})

    assert (response.status_code, len(response.content)) == (200, len(OCTETS))


async def test_if_range_lets_through_this_very_tag_only(filed: Filed) -> None:
    etag = (await filed.doctor.head(filed.url)).headers["etag"]

    for tag, status in ((etag, 206), ('"other"', 200), (f"W/{etag}", 200), ("Mon, 16 Nov 2026 09:00:00 GMT", 200)):
        response = await filed.doctor.get(filed.url, headers={"range": "bytes=0-9", "if-range": tag})
        assert response.status_code == status, tag


async def test_nothing_new_is_304_only_for_who_may_read(serving: Serving, filed: Filed) -> None:
    etag = (await filed.doctor.get(filed.url)).headers["etag"]

    for tag in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        known = await filed.doctor.get(filed.url, headers={"if-none-match": tag})
        assert (known.status_code, known.content) == (304, b"")
        assert known.headers["etag"] == etag
    changed = await filed.doctor.get(filed.url, headers={"if-none-match": '"other"'})
    assert changed.status_code == 200
    refused = await filed.outsider.get(filed.url, headers={"if-none-match": etag})
    assert (refused.status_code, refused.json()["code"]) == (404, "DOCUMENT_UNKNOWN")
    assert "etag" not in refused.headers


async def test_a_head_gives_the_headers_and_no_octets(filed: Filed) -> None:
    response = await filed.doctor.head(filed.url)

    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["content-length"] == str(len(OCTETS))


async def test_refused_absent_and_senseless_answer_alike(serving: Serving, filed: Filed) -> None:
    absent = f"/oncomip/documents/{node_id(Node.DOCUMENT, uuid4())}"
    for suffix, there in (("content", filed.url), ("view", filed.view)):
        answers = [
            await filed.outsider.get(url) for url in (there, f"{absent}/{suffix}", f"/oncomip/documents/x/{suffix}")
        ]
        assert {each.status_code for each in answers} == {404}
        shown = [{name: value for name, value in each.json().items() if name != "requestId"} for each in answers]
        assert shown[0] == shown[1] == shown[2]
        assert shown[0]["code"] == "DOCUMENT_UNKNOWN"
        headers = [sorted(set(each.headers) - {"passerelle-request-id"}) for each in answers]
        assert headers[0] == headers[1] == headers[2]
    assert set(await _readings(serving, filed)) == {"content.refused"}


async def test_without_a_token_there_is_nothing_but_401(serving: Serving, filed: Filed) -> None:
    for url in (filed.url, filed.view):
        response = await serving.client().get(url)
        assert response.status_code == 401
        assert response.headers["www-authenticate"].startswith("Bearer")
        assert response.headers["content-type"] == "application/problem+json"


async def test_one_reading_is_one_line_however_many_ranges(serving: Serving, filed: Filed) -> None:
    for start in range(0, 200_000, 50_000):
        await filed.doctor.get(filed.url, headers={"range": f"bytes={start}-{start + 49_999}"})
    assert await _readings(serving, filed) == ["content.allowed"]

    serving.world.clock.advance(timedelta(minutes=61))
    await filed.doctor.get(filed.url, headers={"range": "bytes=0-1"})
    assert await _readings(serving, filed) == ["content.allowed"] * 2

    await filed.doctor.get(filed.url)
    await filed.doctor.get(filed.url)
    assert await _readings(serving, filed) == ["content.allowed"] * 4


async def test_a_range_for_another_purpose_is_another_reading(serving: Serving, filed: Filed) -> None:
    await filed.doctor.get(filed.url, headers={"range": "bytes=0-1"})
    await filed.doctor.get(filed.url, headers={"range": "bytes=2-3", "passerelle-purpose": "coordination"})
    await filed.doctor.get(filed.url, headers={"range": "bytes=4-5", "passerelle-purpose": "coordination"})

    assert await _readings(serving, filed) == ["content.allowed"] * 2


def _alter_newest(root: Path) -> None:
    newest = max((each for each in root.rglob("*") if each.is_file()), key=lambda each: each.stat().st_mtime_ns)
    sealed = bytearray(newest.read_bytes())
    sealed[100] ^= 1
    newest.chmod(0o600)
    newest.write_bytes(sealed)


async def test_an_altered_content_is_500_and_no_octet(serving: Serving, filed: Filed) -> None:
    _alter_newest(Path(serving.world.tenant.contents.url.removeprefix("file://")))

    response = await filed.doctor.get(filed.url)

    assert (response.status_code, response.json()["code"]) == (500, "CONTENT_ALTERED")


async def test_a_cda_is_shown_with_nothing_active(serving: Serving) -> None:
    filed = await _filed(serving, CDA.format(number=uuid4().int).encode())

    response = await filed.doctor.get(filed.view)

    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "Toux depuis trois jours" in response.text
    assert "<script" not in response.text
    assert "elsewhere.example" not in response.text
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    assert "script-src" not in policy
    assert response.headers["cache-control"] == "private, no-store"


async def test_what_is_no_cda_has_no_view(serving: Serving) -> None:
    filed = await _filed(serving, b"%PDF-1.7 ...", "application/pdf")

    response = await filed.doctor.get(filed.view)

    assert (response.status_code, response.json()["code"]) == (406, "VIEW_NOT_CDA")


@given(st.text() | st.from_regex(r"bytes=\d*-\d*", fullmatch=True), st.integers(min_value=0, max_value=10**12))
def test_a_range_is_within_the_content_or_is_none(header: str, size: int) -> None:
    with suppress(InvalidInput):
        span = ranges.wanted(header, size)
        assert span is None or 0 <= span.start < span.stop <= size


@given(st.integers(0, 500), st.integers(0, 500), st.integers(1, 300))
def test_a_range_means_what_a_slice_means(first: int, last: int, size: int) -> None:
    content = bytes(each % 251 for each in range(size))
    if first <= last and first < size:
        assert ranges.wanted(f"bytes={first}-{last}", size) == Span(first, min(last + 1, size))
        assert len(content[first : last + 1]) == min(last + 1, size) - first
