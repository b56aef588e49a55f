"""An issuer that runs: the demo's, or one that answers what a test tells it to."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import uvicorn
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from passerelle.identities.bearers import Bearer
from passerelle.identities.issuers import Issuer
from passerelle.identities.tokens import TokenVerifier
from passerelle.kernel.clock import SetClock
from passerelle.kernel.errors import NotAuthenticated
from passerelle_ops.demo.issuer import DemoIssuer

START = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
WHO = {"sub": "f:0:899700000011", "SubjectNameID": "899700000011", "SubjectRole": ["10^1.2.250.1.213.1.1.5.5"]}


@contextmanager
def serving(app: Starlette) -> Iterator[str]:
    """`app` behind a real HTTP server on the loopback; gives its address."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", ws="none", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


class Answers:
    """A JWKS endpoint that answers what a test tells it to, and counts the questions."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self.content = b"{}"
        self.status = 200
        self.asked = 0
        self.seconds = 0.0

    async def jwks(self, _: Request) -> Response:
        self.asked += 1
        await asyncio.sleep(self.seconds)
        return Response(self.content, self.status)

    def publish(self, *keys: ECKey | RSAKey | OKPKey | OctKey, **changes: str) -> None:
        self.content = json.dumps({"keys": [{**key.as_dict(private=False), **changes} for key in keys]}).encode()


class Place:
    """The demo's issuer over HTTP, a clock, and who believes it."""

    def __init__(self, folder: Path, url: str) -> None:
        self.clock = SetClock(START)
        self.issuer = DemoIssuer(folder, url, clock=self.clock)
        self.trusted = Issuer(url=url, audience="passerelle")
        self.verifier = TokenVerifier([self.trusted], self.clock)

    async def verify(self, token: str) -> Bearer:
        return await self.verifier.verify(token)

    async def code(self, token: str) -> str:
        with pytest.raises(NotAuthenticated) as refused:
            await self.verify(token)
        return refused.value.code


def claims_of(url: str, **changes: object) -> dict[str, object]:
    now = int(START.timestamp())
    return {"iss": url, "aud": "passerelle", "iat": now, "exp": now + 600, **WHO, **changes}
