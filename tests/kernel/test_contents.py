"""The content store on a real folder: written once, read by ranges, giving nothing that was touched."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from passerelle.kernel.contents import Contents
from passerelle.kernel.errors import BrokenIntegrity, Conflict, InvalidInput, PasserelleError, TryLater
from passerelle.kernel.keys import KEY_BYTES, DossierKey
from passerelle.kernel.segments import HEADER_BYTES, SEALED_BYTES, SEGMENT_BYTES

KEY = DossierKey(bytes(range(KEY_BYTES)))
BINDING = b"oncomip/00000000-0000-4000-8000-000000000001"
NOISE = random.Random(3).randbytes(20 * SEGMENT_BYTES + 17)

positions = st.one_of(
    st.sampled_from([0, 1, SEGMENT_BYTES - 1, SEGMENT_BYTES, SEGMENT_BYTES + 1, 17 * SEGMENT_BYTES]),
    st.integers(0, len(NOISE)),
)
on_one_folder = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def contents(tmp_path: Path) -> Contents:
    return Contents(f"file://{tmp_path}/contents")


def _name() -> str:
    return str(uuid4())


def _file(tmp_path: Path, name: str) -> Path:
    return tmp_path / "contents" / name[-2:] / name


async def _read(pieces: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in pieces])


async def _code(pieces: AsyncIterator[bytes]) -> str:
    with pytest.raises(PasserelleError) as refused:
        await _read(pieces)
    return refused.value.code


@on_one_folder
@given(length=positions, start=positions, stop=st.none() | positions)
async def test_any_range_equals_the_slice(contents: Contents, length: int, start: int, stop: int | None) -> None:
    name, data = _name(), NOISE[:length]
    await contents.put(name, data, KEY, BINDING)
    assert await contents.size(name) == length
    assert await _read(contents.read(name, KEY, BINDING, start, stop)) == data[start:stop]


@on_one_folder
@given(data=st.data(), length=st.sampled_from([0, 5, SEGMENT_BYTES, SEGMENT_BYTES + 9]))
async def test_any_alteration_of_the_file_is_refused(
    contents: Contents, tmp_path: Path, data: st.DataObject, length: int
) -> None:
    name = _name()
    await contents.put(name, NOISE[:length], KEY, BINDING)
    file = _file(tmp_path, name)
    sealed = bytearray(file.read_bytes())
    match data.draw(st.sampled_from(["flip", "cut", "append"])):
        case "flip":
            sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= data.draw(st.integers(1, 255))
        case "cut":
            del sealed[data.draw(st.integers(0, len(sealed) - 1)) :]
        case _:
            sealed += data.draw(st.binary(min_size=1, max_size=50))
    file.write_bytes(sealed)
    assert await _code(contents.read(name, KEY, BINDING)) == "CONTENT_ALTERED"


async def test_an_object_cut_to_nothing_is_altered_and_not_a_store_away(contents: Contents, tmp_path: Path) -> None:
    name = _name()
    await contents.put(name, b"x", KEY, BINDING)
    _file(tmp_path, name).write_bytes(b"")
    assert await _code(contents.read(name, KEY, BINDING)) == "CONTENT_ALTERED"
    with pytest.raises(BrokenIntegrity):
        await contents.size(name)


async def test_a_range_reads_what_is_whole_beside_what_is_not(contents: Contents, tmp_path: Path) -> None:
    """Only the segments of the range are fetched: damage elsewhere does not stop it."""
    name = _name()
    await contents.put(name, NOISE, KEY, BINDING)
    sealed = bytearray(_file(tmp_path, name).read_bytes())
    sealed[HEADER_BYTES + 10 * SEALED_BYTES] ^= 1
    _file(tmp_path, name).write_bytes(sealed)
    before, after = 10 * SEGMENT_BYTES, 11 * SEGMENT_BYTES
    assert await _read(contents.read(name, KEY, BINDING, 0, before)) == NOISE[:before]
    assert await _read(contents.read(name, KEY, BINDING, after)) == NOISE[after:]
    assert await _code(contents.read(name, KEY, BINDING, before, after)) == "CONTENT_ALTERED"


async def test_a_content_is_never_written_over(contents: Contents, tmp_path: Path) -> None:
    name = _name()
    await contents.put(name, b"first", KEY, BINDING)
    before = _file(tmp_path, name).read_bytes()
    with pytest.raises(Conflict) as refused:
        await contents.put(name, b"second", KEY, BINDING)
    assert refused.value.code == "CONTENT_EXISTS"
    assert _file(tmp_path, name).read_bytes() == before


async def test_of_many_writers_of_one_name_one_wins(contents: Contents) -> None:
    name = _name()
    bodies = [bytes([each]) * 1000 for each in range(16)]
    outcomes = await asyncio.gather(
        *(contents.put(name, each, KEY, BINDING) for each in bodies), return_exceptions=True
    )
    assert sum(outcome is None for outcome in outcomes) == 1
    assert await _read(contents.read(name, KEY, BINDING)) == bodies[outcomes.index(None)]
    assert [each async for each in contents.names()] == [name]


async def test_the_object_of_another_document_is_refused(contents: Contents, tmp_path: Path) -> None:
    mine, other = _name(), _name()
    await contents.put(mine, b"mine", KEY, BINDING)
    await contents.put(other, b"none of your business", KEY, b"oncomip/another")
    _file(tmp_path, mine).write_bytes(_file(tmp_path, other).read_bytes())
    assert await _code(contents.read(mine, KEY, BINDING)) == "CONTENT_ALTERED"
    assert await _code(contents.read(other, DossierKey(bytes(KEY_BYTES)), b"oncomip/another")) == "CONTENT_ALTERED"


@pytest.mark.parametrize(
    "name",
    [
        *("", "..", "../../etc/passwd", "a" * 36, "00000000-0000-4000-8000-00000000000G"),
        *("00000000-0000-4000-8000-000000000001/x", "00000000-0000-4000-8000-000000000001\n"),
    ],
)
async def test_only_a_uuid_is_a_name(contents: Contents, name: str) -> None:
    for attempt in (
        contents.put(name, b"x", KEY, BINDING),
        contents.size(name),
        _read(contents.read(name, KEY, BINDING)),
        contents.delete(name),
    ):
        with pytest.raises(InvalidInput) as refused:
            await attempt
        assert refused.value.code == "CONTENT_NAME"
    assert [each async for each in contents.names()] == []


async def test_what_is_not_there_is_missing(contents: Contents) -> None:
    name = _name()
    with pytest.raises(BrokenIntegrity) as refused:
        await contents.size(name)
    assert refused.value.code == "CONTENT_MISSING"
    assert await _code(contents.read(name, KEY, BINDING)) == "CONTENT_MISSING"
    await contents.delete(name)


async def test_names_lists_contents_and_nothing_else(contents: Contents, tmp_path: Path) -> None:
    names = {_name() for _ in range(30)}
    for name in names:
        await contents.put(name, b"x", KEY, BINDING)
    (tmp_path / "contents" / "notes.txt").write_text("left by a person")
    assert {each async for each in contents.names()} == names
    gone = names.pop()
    await contents.delete(gone)
    assert {each async for each in contents.names()} == names


async def test_nothing_clear_is_on_disk_and_the_folder_is_ours_alone(contents: Contents, tmp_path: Path) -> None:
    await contents.put(_name(), b"compte rendu d'hospitalisation" * 10, KEY, BINDING)
    for file in (tmp_path / "contents").rglob("*"):
        assert file.is_dir() or b"hospitalisation" not in file.read_bytes()
    assert (tmp_path / "contents").stat().st_mode & 0o777 == 0o700
    assert str(tmp_path) not in repr(contents)


async def test_an_address_with_a_space_and_an_accent_is_a_folder(tmp_path: Path) -> None:
    contents = Contents((tmp_path / "dépôt un").as_uri())
    name = _name()
    await contents.put(name, b"x", KEY, BINDING)
    assert (tmp_path / "dépôt un" / name[-2:] / name).is_file()
    assert [each async for each in contents.names()] == [name]


@pytest.mark.parametrize("url", ["", "contents", "file://elsewhere/contents", "s3://", "ftp://host/x", "memory://"])
def test_another_address_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        Contents(url)
    assert refused.value.code == "CONTENT_STORE_URL"


@pytest.mark.parametrize("setting", ["nonsense", "allow_http", "skip_signature"])
def test_an_unknown_setting_of_the_store_is_refused(setting: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        Contents("s3://bucket/prefix", {setting: "true"})
    assert refused.value.code == "CONTENT_STORE_SETTING"


async def test_a_store_that_does_not_answer_is_said_so() -> None:
    settings_of_s3 = {
        "endpoint": "http://127.0.0.1:9",
        "region": "eu-west-3",
        "access_key_id": "x",
        "secret_access_key": "x",
    }
    contents = Contents("s3://bucket/prefix", settings_of_s3)
    with pytest.raises(TryLater) as refused:
        await contents.put(_name(), b"x", KEY, BINDING)
    assert refused.value.code == "CONTENT_STORE_AWAY"
