"""What a command writes is for its owner, and whole."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from passerelle_ops.cli.written_files import whole_file


def test_a_file_is_its_owner_s_alone_even_over_one_that_was_not(tmp_path: Path) -> None:
    out = tmp_path / "journal.zip"
    out.write_bytes(b"older")
    out.chmod(0o644)
    with whole_file(out, force=True) as draft:
        assert draft.stat().st_mode & 0o777 == 0o600
        draft.write_bytes(b"newer")
        assert out.read_bytes() == b"older"
    assert (out.read_bytes(), out.stat().st_mode & 0o777) == (b"newer", 0o600)
    assert [each.name for each in tmp_path.iterdir()] == ["journal.zip"]


def test_what_fails_leaves_what_was_there(tmp_path: Path) -> None:
    out = tmp_path / "journal.zip"
    out.write_bytes(b"older")

    def fail() -> None:
        with whole_file(out, force=True) as draft:
            draft.write_bytes(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert out.read_bytes() == b"older"
    assert [each.name for each in tmp_path.iterdir()] == ["journal.zip"]


def test_where_nothing_can_be_written_nothing_is_begun(tmp_path: Path) -> None:
    with pytest.raises(typer.BadParameter), whole_file(tmp_path / "nulle" / "part.zip"):
        pytest.fail("begun")


def test_what_is_there_is_not_replaced_unasked(tmp_path: Path) -> None:
    out = tmp_path / "journal.zip"
    for there in (lambda: out.symlink_to(tmp_path / "elsewhere"), lambda: out.write_bytes(b"older")):
        there()
        with pytest.raises(typer.BadParameter, match="--force"), whole_file(out):
            pytest.fail("begun")
        assert [each.name for each in tmp_path.iterdir()] == ["journal.zip"]
        out.unlink()
