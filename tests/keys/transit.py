"""A key service that does what the API of Vault's transit engine says: keys by version, AES-GCM, tokens, over HTTP."""

from __future__ import annotations

import base64
import binascii
import os
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


class Transit:
    """Its keys, and what it believes. `status` is what it answers whatever it is asked, when set."""

    def __init__(self) -> None:
        self.keys = {"passerelle": [AESGCM.generate_key(256)], "other": [AESGCM.generate_key(256)]}
        self.tokens = {"s.first"}
        self.status: int | None = None
        self.asked: list[str] = []
        self.app = Starlette(
            routes=[Route("/v1/transit/{verb:str}/{name:str}", self._answer, methods=["POST"])],
        )

    def rotate(self, name: str = "passerelle") -> None:
        self.keys[name].append(AESGCM.generate_key(256))

    async def _answer(self, request: Request) -> JSONResponse:
        verb, name = request.path_params["verb"], request.path_params["name"]
        self.asked.append(verb)
        if self.status is not None:
            return JSONResponse({"errors": ["Vault is sealed"]}, self.status)
        if request.headers.get("x-vault-token") not in self.tokens:
            return JSONResponse({"errors": ["permission denied"]}, 403)
        if name not in self.keys:
            return JSONResponse({"errors": ["encryption key not found"]}, 404)
        try:
            data = getattr(self, f"_{verb}")(self.keys[name], await request.json())
        except (InvalidTag, binascii.Error, KeyError, IndexError, ValueError):
            return JSONResponse({"errors": ["cipher: message authentication failed"]}, 400)
        return JSONResponse({"request_id": "-", "lease_id": "", "data": data})

    @staticmethod
    def _encrypt(versions: list[bytes], body: dict[str, Any]) -> dict[str, Any]:
        nonce, about = os.urandom(12), base64.b64decode(body.get("associated_data", ""), validate=True)
        sealed = AESGCM(versions[-1]).encrypt(nonce, base64.b64decode(body["plaintext"], validate=True), about)
        version = len(versions)
        return {"ciphertext": f"vault:v{version}:{base64.b64encode(nonce + sealed).decode()}", "key_version": version}

    @staticmethod
    def _decrypt(versions: list[bytes], body: dict[str, Any]) -> dict[str, Any]:
        _, version, text = body["ciphertext"].split(":")
        octets = base64.b64decode(text, validate=True)
        about = base64.b64decode(body.get("associated_data", ""), validate=True)
        opened = AESGCM(versions[int(version[1:]) - 1]).decrypt(octets[:12], octets[12:], about)
        return {"plaintext": base64.b64encode(opened).decode()}
