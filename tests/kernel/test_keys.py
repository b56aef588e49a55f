"""A tenant's keys: written once, read by their owner only, opening nothing that was moved or changed."""

from __future__ import annotations

import copy
import os
import pickle
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.kernel import keys as keys_module
from passerelle.kernel.errors import BrokenIntegrity, Conflict, InvalidInput
from passerelle.kernel.keys import KEY_BYTES, DossierKey, Keys

KEYS = Keys(bytes(range(KEY_BYTES)))
PATIENT = UUID("00000000-0000-4000-8000-000000000001")
WRAPPED = KEYS.new_dossier_key("oncomip", PATIENT)


def _opens_alike(one: DossierKey, other: DossierKey) -> bool:
    return one.content_key(b"salt", b"binding") == other.content_key(b"salt", b"binding")


def test_what_was_created_is_what_is_loaded(tmp_path: Path) -> None:
    created = Keys.create(tmp_path / "keys" / "oncomip.key")
    loaded = Keys.load(tmp_path / "keys" / "oncomip.key")
    wrapped = created.new_dossier_key("oncomip", PATIENT)
    assert _opens_alike(
        created.dossier_key("oncomip", PATIENT, wrapped), loaded.dossier_key("oncomip", PATIENT, wrapped)
    )
    assert created.person_key("1.2.250.1.213.1.4.10", "123") == loaded.person_key("1.2.250.1.213.1.4.10", "123")


def test_the_file_is_its_owners_alone_and_leaves_no_draft(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        Keys.create(tmp_path / "keys" / "oncomip.key")
    finally:
        os.umask(before)
    assert [each.name for each in (tmp_path / "keys").iterdir()] == ["oncomip.key"]
    assert (tmp_path / "keys" / "oncomip.key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700


def test_a_key_is_never_written_over(tmp_path: Path) -> None:
    Keys.create(tmp_path / "oncomip.key")
    before = (tmp_path / "oncomip.key").read_bytes()
    with pytest.raises(Conflict) as refused:
        Keys.create(tmp_path / "oncomip.key")
    assert refused.value.code == "KEY_FILE_EXISTS"
    assert (tmp_path / "oncomip.key").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601])
def test_a_key_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    Keys.create(tmp_path / "oncomip.key")
    (tmp_path / "oncomip.key").chmod(mode)
    with pytest.raises(InvalidInput) as refused:
        Keys.load(tmp_path / "oncomip.key")
    assert refused.value.code == "KEY_FILE_EXPOSED"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"not json",
        b"[]",
        b'{"format": "other/9", "key": ""}',
        b'{"format": "passerelle-tenant-key/1"}',
        b'{"format": "passerelle-tenant-key/1", "key": "AAAA"}',
        b'{"format": "passerelle-tenant-key/1", "key": 5}',
        b'{"format": "passerelle-tenant-key/1", "key": "S3CRET!"}',
    ],
)
def test_a_broken_file_is_refused_without_quoting_it(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "oncomip.key").write_bytes(text)
    (tmp_path / "oncomip.key").chmod(0o600)
    with pytest.raises(InvalidInput) as refused:
        Keys.load(tmp_path / "oncomip.key")
    assert refused.value.code == "KEY_FILE_BROKEN"
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__
    assert "S3CRET" not in str(refused.value)


def test_an_absent_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.key").mkdir()
    codes = []
    for name in ("absent.key", "folder.key"):
        with pytest.raises(InvalidInput) as refused:
            Keys.load(tmp_path / name)
        codes.append(refused.value.code)
    assert codes == ["KEY_FILE_MISSING", "KEY_FILE_BROKEN"]


def test_a_wrapped_key_opens_for_its_tenant_and_patient_only() -> None:
    assert _opens_alike(KEYS.dossier_key("oncomip", PATIENT, WRAPPED), KEYS.dossier_key("oncomip", PATIENT, WRAPPED))
    for keys, tenant, patient in (
        (KEYS, "oncopl", PATIENT),
        (KEYS, "oncomip", uuid4()),
        (Keys(bytes(KEY_BYTES)), "oncomip", PATIENT),
    ):
        with pytest.raises(BrokenIntegrity) as refused:
            keys.dossier_key(tenant, patient, WRAPPED)
        assert refused.value.code == "DOSSIER_KEY_ALTERED"


@given(at=st.integers(0, len(WRAPPED) - 1), bit=st.integers(0, 7))
def test_no_flip_of_a_wrapped_key_opens(at: int, bit: int) -> None:
    altered = bytearray(WRAPPED)
    altered[at] ^= 1 << bit
    with pytest.raises(BrokenIntegrity):
        KEYS.dossier_key("oncomip", PATIENT, bytes(altered))


@given(length=st.integers(0, 2 * len(WRAPPED)).filter(lambda each: each != len(WRAPPED)))
def test_no_other_length_of_a_wrapped_key_opens(length: int) -> None:
    with pytest.raises(BrokenIntegrity):
        KEYS.dossier_key("oncomip", PATIENT, (WRAPPED + WRAPPED)[:length])


def test_two_dossier_keys_are_never_alike() -> None:
    wrapped = {KEYS.new_dossier_key("oncomip", PATIENT) for _ in range(100)}
    opened = {KEYS.dossier_key("oncomip", PATIENT, each).content_key(b"", b"") for each in wrapped}
    assert len(wrapped) == len(opened) == 100


@given(matricule=st.from_regex(r"[12][0-9]{4}2[AB][0-9]{6}", fullmatch=True), key=st.integers(0, 99))
def test_a_person_is_the_same_with_and_without_the_two_key_digits(matricule: str, key: int) -> None:
    oid = "1.2.250.1.213.1.4.8"
    person = KEYS.person_key(oid, matricule)
    assert person == KEYS.person_key(oid, f"{matricule}{key:02}")
    assert person == KEYS.person_key(oid, f" {matricule.lower()} {key:02} ")
    assert len(person) == 32
    assert matricule not in person


def test_a_person_key_depends_on_oid_matricule_and_tenant() -> None:
    other_tenant = Keys(bytes(KEY_BYTES))
    keys = {
        KEYS.person_key("1.2.250.1.213.1.4.8", "2550699999999"),
        KEYS.person_key("1.2.250.1.213.1.4.10", "2550699999999"),
        KEYS.person_key("1.2.250.1.213.1.4.8", "2550699999998"),
        KEYS.person_key("1.2.250.1.213.1.4.8", "2550699999999000000000"),
        other_tenant.person_key("1.2.250.1.213.1.4.8", "2550699999999"),
    }
    assert len(keys) == 5


@given(st.lists(st.binary(max_size=6), max_size=4), st.lists(st.binary(max_size=6), max_size=4))
def test_joined_parts_are_never_confused(one: list[bytes], other: list[bytes]) -> None:
    assert (keys_module.joined(*one) == keys_module.joined(*other)) == (one == other)


def test_secrets_are_not_shown_pickled_or_copied(tmp_path: Path) -> None:
    dossier_key = KEYS.dossier_key("oncomip", PATIENT, WRAPPED)
    for secret in (KEYS, dossier_key):
        assert repr(secret) == str(secret) == f"<{type(secret).__name__}>"
        with pytest.raises(TypeError):
            pickle.dumps(secret)
        with pytest.raises(TypeError):
            copy.copy(secret)
    for wrong in (b"", bytes(31), bytes(33)):
        with pytest.raises(ValueError, match="32 bytes"):
            Keys(wrong)
        with pytest.raises(ValueError, match="32 bytes"):
            DossierKey(wrong)
