"""What goes through a broker: a body that its origin signed, sealed to its target, and nothing else to be read.

    body      a line of JSON (`Bundle.head` with `from`, `to`, `sent_at`), then the parts it measures, deflated (zlib)
    signed    JWS, Ed25519 of the origin's newest key (RFC 7515, RFC 9864)
    sealed    JWE, ECDH-ES to the target's newest X25519 key, A256GCM (RFC 7516, RFC 8037)

Outside the seal stand the names of algorithms and the thumbprint of the target's key. What cannot be opened, or is not
what it says, is `Unopened`: whoever takes it in counts it, and answers nothing.
"""

from __future__ import annotations

import json
import zlib
from base64 import urlsafe_b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from joserfc import jwe, jws
from joserfc.errors import JoseError

from passerelle_tenants.federation.keys import Keyring, PublishedKey
from passerelle_tenants.federation.office import Office

STATES, ACKS, HEARTBEAT = "states", "acks", "heartbeat"
QUESTION, ANSWER = "question", "answer"
_KINDS: Final = frozenset({STATES, ACKS, HEARTBEAT, QUESTION, ANSWER})
_SIGNED, _AGREED, _SEALED = "Ed25519", "ECDH-ES", "A256GCM"
_VERSION: Final = 1
#: What a body may become when it is inflated: two hundred states of 160 kB.
MOST_OCTETS: Final = 32_000_000


class Unopened(Exception):
    """An envelope that is not taken in; `reason` is a word for counters and logs."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Unsealable(Exception):
    """No key of the target, or of one's own, is published."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A body: `kind` and `head` say what it is, `parts` are JSON texts by name that nobody reads on the way."""

    kind: str
    bundle_id: str
    head: Mapping[str, Any] = field(default_factory=dict)
    parts: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A bundle, with the network that signed it and when it says it did."""

    from_tenant: str
    sent_at: datetime
    bundle: Bundle


async def seal(office: Office, to_tenant: str, bundle: Bundle) -> bytes:
    """A bundle as an envelope (ASCII). Raises `Unsealable` when there is no key to seal it to."""
    own = await office.keyring.newest(office.tenant.id, "sig")
    target = await office.keyring.newest(to_tenant, "enc")
    if own is None or target is None:
        raise Unsealable(to_tenant)
    head = {
        "v": _VERSION,
        "from": office.tenant.id,
        "to": to_tenant,
        "sent_at": office.clock.now().isoformat(),
        "bundle": bundle.bundle_id,
        "kind": bundle.kind,
        "parts": [(name, len(part)) for name, part in bundle.parts.items()],
        **bundle.head,
    }
    line = json.dumps(head, separators=(",", ":")).encode()
    body = zlib.compress(b"".join((line, b"\n", *bundle.parts.values())), 1)
    signed = jws.serialize_compact(
        {"alg": _SIGNED, "kid": own.key_id}, body, office.keyring.private(office.tenant, own), algorithms=[_SIGNED]
    )
    header = {"alg": _AGREED, "enc": _SEALED, "kid": target.key_id}
    return jwe.encrypt_compact(header, signed, target.key, algorithms=[_AGREED, _SEALED]).encode("ascii")


async def open_(office: Office, envelope: bytes) -> Opened:
    """Open an envelope that came for this network, and make sure of who signed it. Raises `Unopened`.

    Reasons: `form`, `unknown_key` (or no longer believed), `not_ours`, `seal`, `signature`, `from`, `to`, `late`.
    """
    target = await _key(office.keyring, envelope, "enc")
    if target.tenant_id != office.tenant.id:
        raise Unopened("not_ours")
    try:
        own = office.keyring.private(office.tenant, target)
        signed = jwe.decrypt_compact(envelope, own, algorithms=[_AGREED, _SEALED]).plaintext
    except (JoseError, ValueError) as wrong:
        raise Unopened("seal") from wrong
    if signed is None:
        raise Unopened("seal")
    origin = await _key(office.keyring, signed, "sig")
    try:
        body = jws.deserialize_compact(signed, origin.key, algorithms=[_SIGNED]).payload
    except (JoseError, ValueError) as wrong:
        raise Unopened("signature") from wrong
    opened = _read(body, origin.tenant_id, office.tenant.id)
    if abs(office.clock.now() - opened.sent_at) > office.hours("federation.envelope_hours"):
        raise Unopened("late")
    return opened


async def _key(keyring: Keyring, token: bytes, use: str) -> PublishedKey:
    """The key that a token names in its header."""
    try:
        header = json.loads(_decoded(token.split(b".", 1)[0]))
        key_id = header["kid"]
    except (ValueError, KeyError, TypeError) as wrong:
        raise Unopened("form") from wrong
    found = await keyring.published(key_id) if isinstance(key_id, str) else None
    if found is None or found.use != use:
        raise Unopened("unknown_key")
    return found


def _decoded(text: bytes) -> bytes:
    return urlsafe_b64decode(text + b"=" * (-len(text) % 4))


def _read(body: bytes, signer: str, own: str) -> Opened:
    """What a signed body says, if it is the signer's own word to this network."""
    try:
        inflating = zlib.decompressobj()
        text = inflating.decompress(body, MOST_OCTETS)
        line, _, rest = text.partition(b"\n")
        head: dict[str, Any] = json.loads(line)
        sizes: Sequence[tuple[str, int]] = head["parts"]
        is_whole = inflating.eof and len(rest) == sum(size for _, size in sizes)
        said = Opened(
            from_tenant=head["from"],
            sent_at=datetime.fromisoformat(head["sent_at"]),
            bundle=Bundle(kind=head["kind"], bundle_id=head["bundle"], head=head, parts=_cut(rest, sizes)),
        )
        is_known = head["v"] == _VERSION and said.bundle.kind in _KINDS and said.sent_at.tzinfo is not None
    except (zlib.error, ValueError, KeyError, TypeError, AttributeError) as wrong:
        raise Unopened("form") from wrong
    if not is_whole or not is_known:
        raise Unopened("form")
    if said.from_tenant != signer:
        raise Unopened("from")
    if head["to"] != own:
        raise Unopened("to")
    return said


def _cut(text: bytes, sizes: Sequence[tuple[str, int]]) -> dict[str, bytes]:
    parts, start = {}, 0
    for name, size in sizes:
        parts[name] = text[start : start + size]
        start += size
    return parts
