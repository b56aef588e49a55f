"""Key files sealed by the transit engine of Vault (or OpenBao), over its HTTP API: what it seals opens nowhere else.

`POST /v1/<mount>/encrypt|decrypt/<key>`, with the network's name as associated data, which needs a key of an AEAD type
(`aes256-gcm96`, as they are by default). After a rotation in Vault the new version seals what is sealed next, and what
the ones before sealed opens as before. The token is read from its file each time, so that an agent may renew it.
"""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import Any, Final

import httpx2

from passerelle.kernel.errors import BrokenIntegrity, InvalidInput, TryLater

_TIMEOUT: Final = httpx2.Timeout(3.0)
_RETRY_SECONDS: Final = 5
#: Too many requests; being elected, sealed itself, or behind a gateway that does not reach it (Vault's API, "status").
_LATER: Final = frozenset({429, 472, 473, 500, 502, 503, 504})


class VaultTransit:
    """A `KeySeal`. Refusals of both methods: KEY_SERVICE_AWAY (TryLater), KEY_SERVICE_TOKEN (no token to be read),
    KEY_SERVICE_DENIED (the token is not believed, or may not do this), KEY_SERVICE_REFUSED (with the status)."""

    def __init__(
        self, url: str, key: str, token_file: Path, *, mount: str = "transit", namespace: str | None = None
    ) -> None:
        self._url = f"{url.rstrip('/')}/v1/{mount}"
        self._key = key
        self._token_file = token_file
        self._namespace = namespace

    def wrap(self, text: bytes, about: str) -> str:
        said = self._asked("encrypt", {"plaintext": _base64(text)}, about)
        if not isinstance(said.get("ciphertext"), str):
            raise InvalidInput("KEY_SERVICE_REFUSED", status=200)
        return str(said["ciphertext"])

    def unwrap(self, sealed: str, about: str) -> bytes:
        """Refused besides: KEY_SEAL_BROKEN, what was sealed was altered, or is of another network or key."""
        try:
            said = self._asked("decrypt", {"ciphertext": sealed}, about)
            return base64.b64decode(said["plaintext"], validate=True)
        except InvalidInput as refused:
            if refused.fields.get("status") == 400:
                raise BrokenIntegrity("KEY_SEAL_BROKEN", network=about) from None
            raise
        except (KeyError, TypeError, binascii.Error):
            raise InvalidInput("KEY_SERVICE_REFUSED", status=200) from None

    def _asked(self, verb: str, body: dict[str, str], about: str) -> dict[str, Any]:
        headers = {"X-Vault-Token": self._token(), "X-Vault-Request": "true"}
        if self._namespace is not None:
            headers["X-Vault-Namespace"] = self._namespace
        try:
            with httpx2.Client(timeout=_TIMEOUT, follow_redirects=False) as client:
                answer = client.post(
                    f"{self._url}/{verb}/{self._key}",
                    json={**body, "associated_data": _base64(about.encode("utf-8"))},
                    headers=headers,
                )
        except (httpx2.HTTPError, OSError):
            # The cause is left out: it holds the request, and the request the token.
            raise TryLater("KEY_SERVICE_AWAY", retry_after=_RETRY_SECONDS) from None
        if answer.status_code == 403:
            raise InvalidInput("KEY_SERVICE_DENIED")
        if answer.status_code in _LATER:
            raise TryLater("KEY_SERVICE_AWAY", retry_after=_RETRY_SECONDS)
        try:
            data = answer.json()["data"] if answer.status_code == 200 else None
        except (ValueError, KeyError, TypeError):
            data = None
        if not isinstance(data, dict):
            raise InvalidInput("KEY_SERVICE_REFUSED", status=answer.status_code)
        return data

    def _token(self) -> str:
        try:
            token = self._token_file.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError):
            token = ""
        if not token or not token.isprintable():
            raise InvalidInput("KEY_SERVICE_TOKEN", file=self._token_file.name)
        return token


def _base64(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii")
