"""`passerelle token revoke`: what it denies is in the directory, as digests."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import psycopg
import pytest

from passerelle.identities.revocations import id_mark, subject_mark, token_mark
from passerelle_ops.cli import main
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
    options: tuple[str, ...],
    said: str,
    mark: str | None,
    directory_database: Cloned,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PASSERELLE_DIRECTORY_URL", directory_database.url)
    monkeypatch.setenv("PASSERELLE_BROKER_URL", "redis://127.0.0.1:1/0")
    monkeypatch.setattr(sys, "stdin", io.StringIO(said))
    before = _lines(directory_database)

    code = main(["token", "revoke", *options, "--state", str(tmp_path)])

    shown = capsys.readouterr()
    assert (code == 0) is (mark is not None), shown.err
    assert _lines(directory_database) - before == ({mark} if mark else set())
    assert _TOKEN not in shown.out + shown.err


def _lines(directory: Cloned) -> set[str]:
    with psycopg.connect(directory.url) as connection:
        return {row[0] for row in connection.execute("select mark from token_revocation").fetchall()}
