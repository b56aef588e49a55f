"""`passerelle token revoke`: what it denies is in the directory, as digests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from passerelle.identities.revocations import id_mark, subject_mark, token_mark
from tests.conftest import Cloned

_URL = "https://issuer.test"
_TOKEN = "eyJhbGciOiJFUzI1NiJ9.eyJleHAiOjE4MDAwMDAwMDB9.c2ln"


@pytest.mark.parametrize(
    ("options", "said", "mark"),
    [
        ((), f"{_TOKEN}\n", token_mark(_TOKEN)),
        (("--jti", "n1", "--issuer", _URL), "", id_mark(_URL, "n1")),
        (("--subject", "s1", "--issuer", _URL), "", subject_mark(_URL, "s1")),
        ((), "not a token", None),
        (("--jti", "n2", "--subject", "s2"), "", None),
    ],
)
def test_what_is_named_is_denied(
    options: tuple[str, ...], said: str, mark: str | None, directory_database: Cloned, tmp_path: Path
) -> None:
    servers = {"PASSERELLE_DIRECTORY_URL": directory_database.url, "PASSERELLE_BROKER_URL": "redis://127.0.0.1:1/0"}
    before = _lines(directory_database)

    done = subprocess.run(
        [sys.executable, "-P", "-m", "passerelle_ops", "token", "revoke", *options],
        env={**os.environ, **servers, "PASSERELLE_STATE": str(tmp_path)},
        input=said,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert (done.returncode == 0) is (mark is not None), done.stderr
    assert _lines(directory_database) - before == ({mark} if mark else set())
    assert _TOKEN not in done.stdout + done.stderr


def _lines(directory: Cloned) -> set[str]:
    with psycopg.connect(directory.url) as connection:
        return {row[0] for row in connection.execute("select mark from token_revocation").fetchall()}
