"""What leaves the house opens for the operator alone, whole and as it was made."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from passerelle.kernel.errors import InvalidInput, PasserelleError
from passerelle_ops.backup.envelope import Opened, Opener, Recipient, create_keys, sealed

SIGNING = Ed25519PrivateKey.generate()
SEGMENT = 64 * 1024


async def _pieces(data: bytes, size: int) -> AsyncIterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Recipient, Opener]:
    create_keys(tmp_path / "key", tmp_path / "key.pub")
    return Recipient.load(tmp_path / "key.pub"), Opener.load(tmp_path / "key")


async def _sealed(data: bytes, recipient: Recipient) -> bytes:
    return b"".join([each async for each in sealed(_pieces(data, 50_000), recipient, SIGNING.sign, {"name": "essai"})])


async def _opened(octets: bytes, opener: Opener, by: Ed25519PrivateKey = SIGNING) -> bytes:
    opened = Opened(_pieces(octets, 70_000))
    head = await opened.begin(opener, lambda _: by.public_key().public_bytes_raw())
    assert head["name"] == "essai"
    return b"".join([each async for each in opened.pieces()])


@pytest.mark.parametrize("length", [0, 1, SEGMENT - 1, SEGMENT, SEGMENT + 1, 3 * SEGMENT])
async def test_what_was_sealed_opens(keys: tuple[Recipient, Opener], length: int) -> None:
    recipient, opener = keys
    data = bytes(range(256)) * (length // 256 + 1)
    assert await _opened(await _sealed(data[:length], recipient), opener) == data[:length]


async def test_nothing_else_opens(keys: tuple[Recipient, Opener], tmp_path: Path) -> None:
    recipient, opener = keys
    data = bytes(3 * SEGMENT + 10)
    octets = await _sealed(data, recipient)
    start = len(octets) - len(data) - 4 * 16

    async def refused(spoilt: bytes, code: str, who: Opener = opener, by: Ed25519PrivateKey = SIGNING) -> None:
        with pytest.raises(PasserelleError) as raised:
            await _opened(spoilt, who, by)
        assert raised.value.code == code
        assert raised.value.message != code

    create_keys(tmp_path / "other", tmp_path / "other.pub")
    await refused(octets, "BACKUP_KEY_WRONG", Opener.load(tmp_path / "other"))
    await refused(octets, "BACKUP_SIGNATURE", by=Ed25519PrivateKey.generate())
    await refused(b"PK" + octets[2:], "BACKUP_NOT_ONE")
    await refused(octets[:4] + b"\x02" + octets[5:], "BACKUP_OTHER_VERSION")
    await refused(octets.replace(b'"essai"', b'"nancy"', 1), "BACKUP_SIGNATURE")
    await refused(octets[:100], "BACKUP_CUT")
    for end in (start, start + 5, start + SEGMENT + 16, start + 2 * (SEGMENT + 16), len(octets) - 1):
        await refused(octets[:end], "BACKUP_CUT")
    altered = bytearray(octets)
    altered[start + 100] ^= 1
    await refused(bytes(altered), "BACKUP_ALTERED")
    first, second = octets[start : start + SEGMENT + 16], octets[start + SEGMENT + 16 : start + 2 * (SEGMENT + 16)]
    await refused(octets[:start] + second + first + octets[start + 2 * (SEGMENT + 16) :], "BACKUP_ALTERED")


def test_a_file_that_is_no_key_is_refused(tmp_path: Path) -> None:
    create_keys(tmp_path / "key", tmp_path / "key.pub")
    with pytest.raises(InvalidInput, match="BACKUP_KEY_FILE"):
        Recipient.load(tmp_path / "key")
    with pytest.raises(InvalidInput, match="BACKUP_KEY_FILE"):
        Opener.load(tmp_path / "key.pub")
    assert (tmp_path / "key").stat().st_mode & 0o077 == 0
