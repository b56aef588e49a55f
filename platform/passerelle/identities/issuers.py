"""Whose tokens we believe, and with which keys.

OpenID Connect Discovery 1.0 §4 (where the keys are), RFC 7517 (how they are written). Keys are asked for
when a token names one we do not know, at most every ten seconds, and again when they are old, so that a new
key is believed at once and a withdrawn one soon is not. An issuer that is away does not stop those whose
key we hold (docs/decisions/0022).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

import httpx2
import structlog
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, OKPKey, RSAKey

from passerelle.identities.bearers import BearerKind
from passerelle.kernel.clock import Clock
from passerelle.kernel.errors import InvalidInput, NotAuthenticated, TryLater

PublicKey = ECKey | RSAKey | OKPKey

ASK_AGAIN_AFTER: Final = timedelta(seconds=10)
FRESH_FOR: Final = timedelta(minutes=10)
USABLE_FOR: Final = timedelta(hours=24)
_ANSWER_LIMIT: Final = 256 * 1024
_KEYS_LIMIT: Final = 64
_RSA_BITS: Final = 2048
_TIMEOUT: Final = httpx2.Timeout(3.0)
_ALGORITHMS: Final[Mapping[str, frozenset[str]]] = {
    "RSA": frozenset({"RS256", "PS256"}),
    "EC": frozenset({"ES256"}),
    "OKP": frozenset({"EdDSA", "Ed25519"}),
}
ALGORITHMS: Final = frozenset[str]().union(*_ALGORITHMS.values())
"""Asymmetric only: with a shared secret, whoever may verify a token may also make one (RFC 8725 §3.1-3.2)."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """An issuer that is trusted: the exact `iss` of its tokens, the `aud` that means us, where its keys are.

    Without `jwks_url` the keys are found by discovery. `vouches_for` says whom it may speak of: an issuer of
    professionals cannot make a patient, and none makes an officer unless it is said. Addresses
    are https, or http on the loopback. Refused: ISSUER_ADDRESS.
    """

    url: str
    audience: str
    jwks_url: str | None = None
    vouches_for: frozenset[BearerKind] = field(default_factory=lambda: frozenset(BearerKind) - {BearerKind.OFFICER})

    def __post_init__(self) -> None:
        for address in (self.url, self.jwks_url):
            if address is not None and not _is_safe(address):
                raise InvalidInput("ISSUER_ADDRESS")


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A public key and the algorithms that it may have signed with."""

    key: PublicKey
    algorithms: frozenset[str]
    thumbprint: str


class IssuerKeys:
    """The keys of one issuer, fetched and kept."""

    def __init__(self, issuer: Issuer, clock: Clock) -> None:
        self._issuer = issuer
        self._clock = clock
        self._keys: Mapping[str, SigningKey] = {}
        self._fetched_at: datetime | None = None
        self._asked_at: datetime | None = None
        self._is_away = False
        self._asking = asyncio.Lock()

    async def key(self, kid: str) -> SigningKey:
        """The key named `kid`.

        Refused: TOKEN_BAD_SIGNATURE when the issuer has no such key, IDENTITY_ISSUER_UNAVAILABLE (TryLater)
        when it cannot be asked and we hold none of that name that is still usable.
        """
        known = self._keys.get(kid)
        if known and (self._within(FRESH_FOR) or (self._asking.locked() and self._within(USABLE_FOR))):
            return known
        async with self._asking:
            if (kid not in self._keys or not self._within(FRESH_FOR)) and self._may_ask():
                await self._ask()
        known = self._keys.get(kid)
        if known and self._within(USABLE_FOR):
            return known
        if self._is_away or known:
            raise TryLater("IDENTITY_ISSUER_UNAVAILABLE", retry_after=int(ASK_AGAIN_AFTER.total_seconds()))
        raise NotAuthenticated("TOKEN_BAD_SIGNATURE")

    async def look(self) -> None:
        """Ask before anybody needs a key. When that fails, whoever needs one first asks again."""
        async with self._asking:
            await self._ask()
            if self._is_away:
                self._asked_at = None

    def has(self, kid: str, thumbprint: str) -> bool:
        """Whether the issuer had this very key under that name when it was asked last."""
        known = self._keys.get(kid)
        return known is not None and known.thumbprint == thumbprint

    def _within(self, age: timedelta) -> bool:
        return self._fetched_at is not None and self._clock.now() - self._fetched_at < age

    def _may_ask(self) -> bool:
        # A clock set back must not silence us until it has caught up.
        return self._asked_at is None or abs(self._clock.now() - self._asked_at) >= ASK_AGAIN_AFTER

    async def _ask(self) -> None:
        self._asked_at = self._clock.now()
        try:
            async with httpx2.AsyncClient(timeout=_TIMEOUT, follow_redirects=False) as client:
                async with asyncio.timeout(_TIMEOUT.connect):
                    address = self._issuer.jwks_url or await self._discover(client)
                    keys = _signing_keys(await _document(client, address))
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, TimeoutError, ValueError) as away:
            self._is_away = True
            _log.warning("identity_issuer_unavailable", issuer=self._issuer.url, reason=type(away).__name__)
            return
        self._keys, self._fetched_at, self._is_away = keys, self._clock.now(), False

    async def _discover(self, client: httpx2.AsyncClient) -> str:
        document = await _document(client, self._issuer.url.rstrip("/") + "/.well-known/openid-configuration")
        address = document.get("jwks_uri")
        if document.get("issuer") != self._issuer.url or not isinstance(address, str) or not _is_safe(address):
            raise ValueError("the discovery document is not that of this issuer")
        return address


async def _document(client: httpx2.AsyncClient, url: str) -> Mapping[str, object]:
    async with client.stream("GET", url, headers={"accept": "application/json"}) as response:
        if response.status_code != 200:
            raise ValueError("the issuer answered with a failure")
        content = b""
        async for piece in response.aiter_bytes():
            content += piece
            if len(content) > _ANSWER_LIMIT:
                raise ValueError("the issuer's answer is too long")
    try:
        document = json.loads(content)
    except RecursionError as deep:
        raise ValueError("the issuer's answer is too deep") from deep
    if not isinstance(document, dict):
        raise ValueError("the issuer's answer is not an object")
    return document


def _signing_keys(document: Mapping[str, object]) -> Mapping[str, SigningKey]:
    """The usable keys by name. One that is not (RFC 7517 §5) is passed over; a set with none is a failure."""
    given = document.get("keys")
    keys: dict[str, SigningKey] = {}
    for each in given[:_KEYS_LIMIT] if isinstance(given, list) else []:
        if isinstance(each, dict) and isinstance(kid := each.get("kid"), str) and (signing := _signing_key(each)):
            keys[kid] = signing
    if not keys:
        raise ValueError("the issuer has no usable key")
    return keys


def _signing_key(parameters: dict[str, str | list[str]]) -> SigningKey | None:
    if parameters.get("kty") not in _ALGORITHMS or parameters.get("use", "sig") != "sig":
        return None
    modulus = parameters.get("n", "")
    if parameters["kty"] == "RSA" and len(modulus) * 6 < _RSA_BITS:
        return None
    try:
        key = JWKRegistry.import_key({name: value for name, value in parameters.items() if name != "key_ops"})
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    if not isinstance(key, ECKey | RSAKey | OKPKey):
        return None
    is_weak_rsa = isinstance(key, RSAKey) and key.public_key.key_size < _RSA_BITS
    is_other_curve = not isinstance(key, RSAKey) and key.curve_name not in ("P-256", "Ed25519")
    if is_weak_rsa or is_other_curve:
        return None
    algorithms = _ALGORITHMS[key.key_type]
    if (only := parameters.get("alg")) is not None:
        algorithms &= {only} if isinstance(only, str) else set()
    return SigningKey(key, algorithms, key.thumbprint()) if algorithms else None


def _is_safe(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    if not host or parts.username or parts.password or parts.fragment:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and host in ("127.0.0.1", "::1", "localhost"))
