"""Only who it was sealed to opens an envelope, and only what the origin signed for it is believed."""

from __future__ import annotations

import json
import zlib
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from joserfc import jwe, jws
from joserfc.jwk import OKPKey

from passerelle.kernel.clock import SetClock
from passerelle.kernel.errors import Conflict
from passerelle.kernel.keys import Keys
from passerelle_tenants.federation import keys
from passerelle_tenants.federation.envelopes import HEARTBEAT, Bundle, Unopened, Unsealable, open_, seal
from passerelle_tenants.federation.keys import Keyring
from passerelle_tenants.federation.office import Office
from passerelle_tenants.federation.taking_in import take_in
from tests.conftest import Template
from tests.federation.exchange import Exchange, exchange

NANTES, TOULOUSE, RENNES = "nantes", "toulouse", "rennes"
BUNDLE = Bundle(kind=HEARTBEAT, bundle_id="1", head={"as_of": "x", "asks": False}, parts={"note": b'[{"id":"MARTIN"}]'})


@pytest.fixture(scope="module")
async def three(
    tenant_template: Template, directory_template: Template, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Exchange]:
    clock, folder = SetClock(datetime(2026, 11, 16, 9, 0, tzinfo=UTC)), tmp_path_factory.mktemp("networks")
    async with exchange(tenant_template, directory_template, folder, clock, NANTES, TOULOUSE, RENNES) as made:
        yield made


async def refusal(office: Office, envelope: bytes) -> str:
    with pytest.raises(Unopened) as refused:
        await open_(office, envelope)
    taken = await take_in(office, envelope)
    assert (taken.kind, taken.reason) == ("unopened", refused.value.reason)
    return refused.value.reason


async def test_an_envelope_is_opened_by_whom_it_is_for(three: Exchange) -> None:
    envelope = await seal(three.offices[TOULOUSE], NANTES, BUNDLE)
    opened = await open_(three.offices[NANTES], envelope)

    assert (opened.from_tenant, opened.sent_at, opened.bundle.parts) == (TOULOUSE, three.clock.now(), BUNDLE.parts)
    header = json.loads(urlsafe_b64decode(envelope.split(b".")[0] + b"=="))
    assert set(header) == {"alg", "enc", "kid", "epk"}
    assert TOULOUSE.encode() not in envelope
    assert await refusal(three.offices[RENNES], envelope) == "not_ours"


async def test_what_was_changed_on_its_way_is_not_opened(three: Exchange) -> None:
    envelope = await seal(three.offices[TOULOUSE], NANTES, BUNDLE)
    parts = envelope.split(b".")
    flipped = [b"A" if octet != ord("A") else b"B" for octet in (part[0] if part else 0 for part in parts)]
    for place in (2, 3, 4):
        changed = [*parts[:place], flipped[place] + parts[place][1:], *parts[place + 1 :]]
        assert await refusal(three.offices[NANTES], b".".join(changed)) == "seal"
    for nonsense in (b"", b"....", b"e30.a.b.c.d", envelope[: len(envelope) // 2], "é".encode()):
        assert await refusal(three.offices[NANTES], nonsense) in {"form", "seal"}


async def _sealed(three: Exchange, signer: Office | OKPKey, key_id: str, **changes: Any) -> bytes:
    """An envelope for Nantes, signed with a key under any name, whose head says anything."""
    target = await three.offices[NANTES].keyring.newest(NANTES, "enc")
    assert target is not None
    head: dict[str, Any] = {"v": 1, "from": TOULOUSE, "to": NANTES, "sent_at": three.clock.now().isoformat()}
    head |= {"bundle": "1", "kind": HEARTBEAT, "as_of": three.clock.now().isoformat(), "asks": False, "parts": []}
    body = changes.pop("body", None) or zlib.compress(json.dumps(head | changes).encode() + b"\n")
    if isinstance(signer, Office):
        own = await signer.keyring.newest(signer.tenant.id, "sig")
        assert own is not None
        key_id, signer = key_id or own.key_id, signer.keyring.private(signer.tenant, own)
    signed = jws.serialize_compact({"alg": "Ed25519", "kid": key_id}, body, signer, algorithms=["Ed25519"])
    header = {"alg": "ECDH-ES", "enc": "A256GCM", "kid": target.key_id}
    return jwe.encrypt_compact(header, signed, target.key, algorithms=["ECDH-ES", "A256GCM"]).encode()


async def test_only_what_the_origin_signed_for_this_network_is_believed(three: Exchange) -> None:
    nantes, toulouse = three.offices[NANTES], three.offices[TOULOUSE]
    stranger = OKPKey.generate_key("Ed25519")
    signing = await toulouse.keyring.newest(TOULOUSE, "sig")
    opening = await toulouse.keyring.newest(TOULOUSE, "enc")
    assert signing is not None
    assert opening is not None

    assert (await take_in(nantes, await _sealed(three, toulouse, ""))).kind == HEARTBEAT
    assert await refusal(nantes, await _sealed(three, stranger, stranger.thumbprint())) == "unknown_key"
    assert await refusal(nantes, await _sealed(three, toulouse, opening.key_id)) == "unknown_key"
    assert await refusal(nantes, await _sealed(three, stranger, signing.key_id)) == "signature"
    assert await refusal(nantes, await _sealed(three, three.offices[RENNES], "")) == "from"
    assert await refusal(nantes, await _sealed(three, toulouse, "", to=RENNES)) == "to"
    late = three.clock.now() - timedelta(hours=73)
    assert await refusal(nantes, await _sealed(three, toulouse, "", sent_at=late.isoformat())) == "late"
    malformed: list[dict[str, Any]] = [{"v": 2}, {"kind": "other"}, {"parts": [["note", 9]]}, {"sent_at": "2026-11-16"}]
    for changes in malformed:
        assert await refusal(nantes, await _sealed(three, toulouse, "", **changes)) == "form"
    assert await refusal(nantes, await _sealed(three, toulouse, "", body=b"not deflated")) == "form"
    malformed = [{"kind": "states", "states": {"note": [["x"], [1]]}}, {"kind": "acks", "answers": 1}, {"as_of": 1}]
    for changes in malformed:
        taken = await take_in(nantes, await _sealed(three, toulouse, "", **changes))
        assert (taken.kind, taken.reason) == ("unopened", "form")
    assert await three.notes(NANTES) == {}


async def test_keys_are_rotated_while_envelopes_are_on_their_way(three: Exchange) -> None:
    toulouse, nantes = three.offices[TOULOUSE], three.offices[NANTES]
    directory = toulouse.directory.database
    to_toulouse, from_toulouse = await seal(nantes, TOULOUSE, BUNDLE), await seal(toulouse, NANTES, BUNDLE)
    old = await toulouse.keyring.newest(TOULOUSE, "sig")
    three.clock.advance(timedelta(minutes=1))

    assert await keys.rotate(toulouse.tenant, directory, three.clock, timedelta(hours=72)) == 2
    await toulouse.keyring.read(kept=0)
    new = await toulouse.keyring.newest(TOULOUSE, "sig")
    assert old is not None
    assert new is not None
    assert (old.generation, new.generation) == (1, 2)
    await open_(nantes, from_toulouse)
    await open_(toulouse, to_toulouse)

    # Nantes kept the keys of before: what it does not know, it looks up at once.
    fresh = replace(nantes, keyring=Keyring(directory, three.clock))
    await open_(fresh, await seal(toulouse, NANTES, BUNDLE))
    await open_(toulouse, await seal(fresh, TOULOUSE, BUNDLE))
    three.clock.advance(timedelta(hours=73))
    await nantes.keyring.read(kept=0)
    assert await refusal(nantes, from_toulouse) == "unknown_key"
    assert await refusal(toulouse, to_toulouse) == "unknown_key"


async def test_a_key_file_that_is_not_the_one_published_is_refused(three: Exchange) -> None:
    rennes = three.offices[RENNES]
    assert await keys.publish(rennes.tenant, rennes.directory.database, three.clock) == 1
    other = replace(rennes.tenant, keys=Keys(bytes(32)))
    with pytest.raises(Conflict) as differs:
        await keys.publish(other, rennes.directory.database, three.clock)

    assert differs.value.code == "FEDERATION_KEY_DIFFERS"
    assert await keys.publish(rennes.tenant, rennes.directory.database, three.clock) == 1
    with pytest.raises(Unsealable):
        await seal(rennes, "inconnu", BUNDLE)
