"""The key file while what wraps is changed: both versions open, one wraps, and a process that runs follows it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from passerelle.kernel import key_rotation
from passerelle.kernel.errors import BrokenIntegrity, Conflict
from passerelle.kernel.key_material import LAST_VERSION, KeyMaterial
from passerelle.kernel.key_place import KeyPlace
from passerelle.kernel.keys import Keys
from passerelle.kernel.private_files import replace_private_file

PATIENT = UUID("00000000-0000-4000-8000-000000000001")


def _content_key(keys: Keys, wrapped: bytes) -> bytes:
    return keys.dossier_key("essai", PATIENT, wrapped).content_key(b"salt", b"binding")


def _said(keys: Keys) -> tuple[object, ...]:
    """What must not change with what wraps."""
    federation = keys.federation_keys(2)
    return (
        keys.public_key,
        keys.person_key("1.2", "123"),
        keys.mark(b"line"),
        keys.ledger_key().content_key(b"s", b"b"),
        federation.signing.private_bytes_raw(),
        federation.opening.private_bytes_raw(),
    )


def test_a_process_that_runs_opens_both_versions_and_wraps_under_the_one_in_use(tmp_path: Path) -> None:
    file = tmp_path / "essai.key"
    running = Keys.create(file)
    said, former = _said(running), running.new_dossier_key("essai", PATIENT)
    key = _content_key(running, former)

    assert key_rotation.prepare(KeyPlace(file)) == 2
    assert file.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["essai.key"]
    assert running.new_dossier_key("essai", PATIENT)[0] == 1

    assert key_rotation.put_in_use(KeyPlace(file)) == key_rotation.put_in_use(KeyPlace(file)) == 2
    for keys in (running, Keys.load(file)):
        assert keys.new_dossier_key("essai", PATIENT)[0] == 2
        assert _content_key(keys, former) == key
        assert _said(keys) == said
    assert running.rewrapped("essai", PATIENT, former)[0] == 2


def test_a_key_that_another_process_wrapped_anew_opens_in_one_that_runs(tmp_path: Path) -> None:
    file = tmp_path / "essai.key"
    former = Keys.create(file).new_dossier_key("essai", PATIENT)
    running = Keys.load(file)
    key = _content_key(running, former)
    key_rotation.prepare(KeyPlace(file))
    key_rotation.put_in_use(KeyPlace(file))
    anew = Keys.load(file).rewrapped("essai", PATIENT, former)
    assert anew[0] == 2
    assert _content_key(running, anew) == key


def test_what_was_retired_is_not_in_the_file_and_opens_nothing(tmp_path: Path) -> None:
    root = bytes(range(32))
    before, held = KeyMaterial.of_root(root), KeyMaterial.of_root(root).with_new_wrapping().using_newest()
    after = KeyMaterial.read(held.without_former().text(), "essai.key")
    file = tmp_path / "essai.key"
    replace_private_file(file, held.text())
    former = Keys(root).new_dossier_key("essai", PATIENT)
    running = Keys.load(file)
    replace_private_file(file, after.text())
    with pytest.raises(BrokenIntegrity) as refused:
        Keys.load(file).dossier_key("essai", PATIENT, former)
    assert refused.value.code == "DOSSIER_KEY_VERSION"
    assert before.wrapping[1] not in after.wrapping.values()
    assert running.wrapping_version == 2


def test_steps_out_of_their_order_change_nothing(tmp_path: Path) -> None:
    file = tmp_path / "essai.key"
    Keys.create(file)
    with pytest.raises(Conflict) as refused:
        key_rotation.put_in_use(KeyPlace(file))
    assert refused.value.code == "KEY_NOT_PREPARED"
    key_rotation.prepare(KeyPlace(file))
    prepared = file.read_bytes()
    with pytest.raises(Conflict) as refused:
        key_rotation.prepare(KeyPlace(file))
    assert refused.value.code == "KEY_ROTATION_UNFINISHED"
    assert file.read_bytes() == prepared

    last = KeyMaterial.of_root(bytes(32))
    last = replace(last, wrapping={LAST_VERSION: last.wrapping[1]}, in_use=LAST_VERSION)
    replace_private_file(file, last.text())
    with pytest.raises(Conflict) as refused:
        key_rotation.prepare(KeyPlace(file))
    assert refused.value.code == "KEY_VERSIONS_SPENT"


def test_a_file_of_another_root_that_is_broken_or_gone_does_not_disturb_a_process_that_runs(tmp_path: Path) -> None:
    file = tmp_path / "essai.key"
    running = Keys.create(file)
    wrapped = running.new_dossier_key("essai", PATIENT)
    key = _content_key(running, wrapped)
    for content in (KeyMaterial.of_root(bytes(32)).text(), b"not json", None):
        if content is None:
            file.unlink()
        else:
            replace_private_file(file, content)
        assert _content_key(running, running.rewrapped("essai", PATIENT, wrapped)) == key
        with pytest.raises(BrokenIntegrity) as refused:
            running.dossier_key("essai", PATIENT, b"\x07" + wrapped[1:])
        assert refused.value.code == "DOSSIER_KEY_VERSION"
