"""What a bearer token proves: verified in full, then believed until it expires or is revoked.

RFC 7519 (JWT), RFC 8725 (best current practice: closed list of algorithms, issuer and audience checked,
keys only from the issuer), RFC 6750 (how a token is carried). Nothing that a token says of itself chooses
how it is verified: `alg` must be one that its key allows, `jwk`, `jku` and `x5u` are not looked at.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from joserfc import jwt
from joserfc.errors import BadSignatureError, JoseError, UnsupportedAlgorithmError
from joserfc.jwa import JWSAlgModel
from joserfc.jws import JWSRegistry
from joserfc.util import urlsafe_b64decode

from passerelle.identities.bearers import Bearer
from passerelle.identities.claims import Claims, bearer
from passerelle.identities.issuers import ALGORITHMS, Issuer, IssuerKeys, SigningKey
from passerelle.identities.revocations import Marks, Revocations, id_mark, subject_mark, token_mark
from passerelle.kernel.clock import Clock, SystemClock
from passerelle.kernel.errors import InvalidInput, NotAuthenticated, TryLater

LEEWAY_SECONDS: Final = 30
TOKEN_LIMIT: Final = 16 * 1024
BELIEVED_FOR_SECONDS: Final = 300
"""How long a verified token is believed without verifying it again: its key may have been withdrawn since."""
_KEPT_TOKENS: Final = 10_000
_YEAR_9999: Final = 253_402_300_799
_SEGMENT: Final = re.compile(r"[A-Za-z0-9_-]*")
_TYPES: Final = frozenset({"jwt", "at+jwt", "application/at+jwt"})


def bearer_token(authorization: str | None) -> str:
    """The token in an `Authorization` field (RFC 6750 §2.1). Refused: TOKEN_MISSING, TOKEN_MALFORMED."""
    said = "" if authorization is None else authorization.strip()
    if not said:
        raise NotAuthenticated("TOKEN_MISSING")
    scheme, _, rest = said.partition(" ")
    token = rest.lstrip(" ")
    if scheme.lower() != "bearer" or not token or " " in token:
        raise NotAuthenticated("TOKEN_MALFORMED")
    return token


@dataclass(frozen=True, slots=True)
class _Believed:
    """What a verified token proved, by which key of whom, and until when it need not be verified again: never past
    its own expiry, nor once the issuer was seen without that key."""

    bearer: Bearer
    marks: Marks
    until: float
    keys: IssuerKeys
    kid: str
    thumbprint: str

    def holds(self, now: float) -> bool:
        return now < self.until and self.keys.has(self.kid, self.thumbprint)


class TokenVerifier:
    """Verifies tokens of the trusted issuers, each with its own keys. Those that `revocations` deny are refused."""

    def __init__(
        self, issuers: Sequence[Issuer], clock: Clock | None = None, revocations: Revocations | None = None
    ) -> None:
        self._clock = clock or SystemClock()
        self._issuers = {issuer.url: (issuer, IssuerKeys(issuer, self._clock)) for issuer in issuers}
        self._revocations = revocations
        self._believed: dict[bytes, _Believed] = {}

    async def verify(self, token: str) -> Bearer:
        """The bearer of `token`.

        Refused, all as NotAuthenticated: TOKEN_MISSING, TOKEN_MALFORMED, TOKEN_UNSIGNED, TOKEN_WRONG_ISSUER,
        TOKEN_BAD_SIGNATURE (also a key or an algorithm that is not the issuer's), TOKEN_WRONG_AUDIENCE,
        TOKEN_EXPIRED, TOKEN_NOT_YET_VALID, TOKEN_CLAIMS_INCOMPLETE, TOKEN_REVOKED. As TryLater:
        IDENTITY_ISSUER_UNAVAILABLE when the issuer's keys cannot be had, DATABASE_AWAY when revocations could not be
        heard of for a minute.
        """
        if not token:
            raise NotAuthenticated("TOKEN_MISSING")
        if len(token) > TOKEN_LIMIT or not token.isascii():
            raise NotAuthenticated("TOKEN_MALFORMED")
        fingerprint = hashlib.sha256(token.encode("ascii")).digest()
        believed = self._believed.get(fingerprint)
        if believed is None or not believed.holds(self._now()):
            believed = await self._verified(token)
            self._keep(fingerprint, believed)
        if self._revocations is not None:
            await self._revocations.hear()
            if self._revocations.deny(believed.marks):
                raise NotAuthenticated("TOKEN_REVOKED")
        return believed.bearer

    async def look(self) -> None:
        """Know the issuers' keys and what is denied before the first token comes, as far as they can be had."""
        await asyncio.gather(*(keys.look() for _, keys in self._issuers.values()))
        if self._revocations is not None:
            with suppress(TryLater):
                await self._revocations.hear()

    def _keep(self, fingerprint: bytes, believed: _Believed) -> None:
        """Keep it last; what came first leaves when there is no room."""
        self._believed.pop(fingerprint, None)
        while len(self._believed) >= _KEPT_TOKENS:
            del self._believed[next(iter(self._believed))]
        self._believed[fingerprint] = believed

    async def _verified(self, token: str) -> _Believed:
        header, unproven = _read(token)
        algorithm, kid, url = header.get("alg"), header.get("kid"), unproven.get("iss")
        if not isinstance(algorithm, str) or not isinstance(kid, str | None) or "crit" in header:
            raise NotAuthenticated("TOKEN_MALFORMED")
        if str(header.get("typ", "JWT")).lower() not in _TYPES:
            raise NotAuthenticated("TOKEN_MALFORMED")
        if algorithm.lower() == "none" or token.endswith("."):
            raise NotAuthenticated("TOKEN_UNSIGNED")
        if not isinstance(url, str) or url not in self._issuers:
            raise NotAuthenticated("TOKEN_WRONG_ISSUER")
        if algorithm not in ALGORITHMS or not kid:
            raise NotAuthenticated("TOKEN_BAD_SIGNATURE")
        issuer, keys = self._issuers[url]
        signing = await keys.key(kid)
        claims = _signed(token, signing)
        proven = bearer(claims, issuer=url, expires_at=self._expiry(claims, issuer))
        if proven.kind not in issuer.vouches_for:
            raise NotAuthenticated("TOKEN_WRONG_ISSUER")
        until = min(self._now() + BELIEVED_FOR_SECONDS, proven.expires_at.timestamp())
        return _Believed(proven, _marks(token, claims, proven), until, keys, kid, signing.thumbprint)

    def _expiry(self, claims: Claims, issuer: Issuer) -> datetime:
        """When proven claims expire, if they are ours and of now."""
        if claims.get("iss") != issuer.url:
            raise NotAuthenticated("TOKEN_WRONG_ISSUER")
        audience = claims.get("aud")
        if issuer.audience not in (audience if isinstance(audience, list) else [audience]):
            raise NotAuthenticated("TOKEN_WRONG_AUDIENCE")
        now, expires = self._now(), _instant(claims, "exp")
        if expires is None:
            raise NotAuthenticated("TOKEN_CLAIMS_INCOMPLETE", claim="exp")
        if now >= expires + LEEWAY_SECONDS:
            raise NotAuthenticated("TOKEN_EXPIRED")
        for claim in ("nbf", "iat"):
            since = _instant(claims, claim)
            if since is not None and since > now + LEEWAY_SECONDS:
                raise NotAuthenticated("TOKEN_NOT_YET_VALID")
        return datetime.fromtimestamp(expires, UTC)

    def _now(self) -> float:
        return self._clock.now().timestamp()


class _ClosedRegistry(JWSRegistry):
    """Our algorithms and no others. The one `get_alg` warns of `EdDSA`, which issuers still write."""

    max_header_length = 2048

    def get_alg(self, name: str) -> JWSAlgModel:
        if name not in (self.allowed or ()):
            raise UnsupportedAlgorithmError(f"Algorithm of '{name}' is not allowed")
        return self.algorithms[name]


def _read(token: str) -> tuple[Claims, Claims]:
    """Header and claims as written: unproven, good only for choosing the issuer and its key."""
    parts = token.split(".")
    if len(parts) != 3 or not all(_SEGMENT.fullmatch(part) for part in parts):
        raise NotAuthenticated("TOKEN_MALFORMED")
    header, claims = _object(parts[0]), _object(parts[1])
    return header, claims


def _object(segment: str) -> Claims:
    try:
        value = json.loads(urlsafe_b64decode(segment.encode("ascii")))
    except (ValueError, RecursionError) as garbage:
        raise NotAuthenticated("TOKEN_MALFORMED") from garbage
    if not isinstance(value, dict):
        raise NotAuthenticated("TOKEN_MALFORMED")
    return value


def _signed(token: str, signing: SigningKey) -> Claims:
    registry = _ClosedRegistry(algorithms=signing.algorithms, strict_check_header=False)
    try:
        return jwt.decode(token, signing.key, algorithms=signing.algorithms, registry=registry).claims
    except (BadSignatureError, UnsupportedAlgorithmError) as forged:
        raise NotAuthenticated("TOKEN_BAD_SIGNATURE") from forged
    except (JoseError, ValueError) as garbage:
        raise NotAuthenticated("TOKEN_MALFORMED") from garbage


def _instant(claims: Mapping[str, object], claim: str) -> float | None:
    """A NumericDate (RFC 7519 §2), or None when absent. Refused: TOKEN_CLAIMS_INCOMPLETE for another thing."""
    value = claims.get(claim)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _YEAR_9999:
        raise NotAuthenticated("TOKEN_CLAIMS_INCOMPLETE", claim=claim)
    return float(value) if math.isfinite(value) else None


def denial_of(token: str) -> tuple[str, datetime | None]:
    """By which mark to deny a token, verified or not, and when it would expire. Refused: TOKEN_NOT_READ."""
    try:
        _, claims = _read(token)
        expires = _instant(claims, "exp")
    except NotAuthenticated as garbage:
        raise InvalidInput("TOKEN_NOT_READ") from garbage
    until = None if expires is None else datetime.fromtimestamp(expires + LEEWAY_SECONDS, UTC)
    return token_mark(token), until


def _marks(token: str, claims: Claims, proven: Bearer) -> Marks:
    token_id, issued = claims.get("jti"), _instant(claims, "iat")
    own = (token_mark(token), id_mark(proven.issuer, token_id)) if isinstance(token_id, str) else (token_mark(token),)
    issued_at = None if issued is None else datetime.fromtimestamp(issued, UTC)
    return Marks(own, subject_mark(proven.issuer, proven.subject), issued_at)
