"""An export is verified by a program that has nothing of Passerelle; what was changed in it is refused and named."""

from __future__ import annotations

import contextlib
import copy
import io
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncConnection

import passerelle.audit
from passerelle.audit import export as export_module
from passerelle.audit import verifier
from passerelle.audit.export import LineKey, export_lines, lines_between, lines_of_patient, written, zipped
from passerelle.audit.heads import Head, head_at
from passerelle.audit.transactions import transaction
from passerelle.audit.verification import verify_journal
from passerelle.audit.verifier import canonical, faults_of, key_id_of, read_json
from passerelle.kernel.clock import SetClock
from passerelle.kernel.errors import InvalidInput
from passerelle.kernel.keys import KEY_BYTES, Keys
from tests.audit.sealed import Sealing

PATIENT = UUID(int=7)
VERIFIER = Path(passerelle.audit.__file__).with_name("verifier.py")


async def export(sealing: Sealing, chosen: list[LineKey] | None = None, **how: Any) -> dict[str, Any]:
    async with transaction(sealing.context) as act:
        keys = await lines_of_patient(act.connection, PATIENT) if chosen is None else chosen
        return await export_lines(act.connection, sealing.context.tenant, keys, **how)


@dataclass(frozen=True, slots=True)
class Alone:
    """A folder with the verifier and nothing else, run by a Python that sees no package of ours."""

    folder: Path

    def verify(self, made: dict[str, Any] | bytes, *options: str, name: str = "journal.json") -> tuple[int, str]:
        arguments = self._put(made, options, name)
        done = subprocess.run(
            [sys.executable, "-I", "verifier.py", *arguments],
            cwd=self.folder,
            env={"PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=False,
        )
        assert not done.stderr, done.stderr
        return done.returncode, done.stdout

    def verify_here(self, made: dict[str, Any] | bytes, *options: str, name: str = "journal.json") -> tuple[int, str]:
        """The same program, in this process."""
        arguments = self._put(made, options, name)
        with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.chdir(self.folder):
            code = verifier.main(arguments)
        return code, said.getvalue()

    def _put(self, made: dict[str, Any] | bytes, options: tuple[str, ...], name: str) -> list[str]:
        (self.folder / name).write_bytes(made if isinstance(made, bytes) else written(made))
        key = ("--key", made["key_id"]) if isinstance(made, dict) and "--key" not in options else ()
        return [name, *options, *key]


@pytest.fixture
def alone(tmp_path: Path) -> Alone:
    (tmp_path / "alone").mkdir()
    shutil.copy(VERIFIER, tmp_path / "alone")
    return Alone(tmp_path / "alone")


@pytest.fixture
async def sealed(sealing: Sealing) -> Sealing:
    """40 lines under four heads, one in two about the patient."""
    for _ in range(4):
        for _ in range(5):
            await sealing.write(1, PATIENT)
            await sealing.write(1, uuid4())
        await sealing.seal()
    return sealing


def test_the_verifier_stands_alone() -> None:
    imported = re.findall(r"^\s*(?:from|import) ([\w.]+)", VERIFIER.read_text("utf-8"), re.MULTILINE)
    assert {each.split(".")[0] for each in imported} - sys.stdlib_module_names - {"__future__"} == {"cryptography"}


def test_without_its_library_it_says_so_in_a_sentence(alone: Alone) -> None:
    bare = [sys.executable, "-I", "-S", "verifier.py", "journal.json"]
    done = subprocess.run(bare, cwd=alone.folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (3, "")
    assert "cryptography" in done.stderr
    assert len(done.stderr.splitlines()) == 1


async def test_the_zip_of_a_whole_record_is_verified_as_it_is(sealed: Sealing, alone: Alone) -> None:
    made = await export(sealed)
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as folder:
        folder.writestr("index.html", "<h1>Dossier</h1>")
        folder.writestr("journal/journal.json", written(made))
    code, said = alone.verify(whole.getvalue(), "--key", made["key_id"], name="dossier.zip")
    assert (code, "20 lignes" in said) == (0, True), said


async def test_an_export_is_verified_alone(sealed: Sealing, alone: Alone) -> None:
    made = await export(sealed)
    assert len(made["lines"]) == 20
    assert len(made["heads"]) == 1
    key = ("--key", key_id_of(sealed.context.tenant.keys.public_key))
    code, said = alone.verify(made, *key)
    assert code == 0, said
    assert "20 lignes" in said
    assert alone.verify(zipped(made), *key, name="journal.zip")[0] == 0


async def test_an_export_that_only_its_own_key_vouches_for_is_not_proven(sealed: Sealing, alone: Alone) -> None:
    code, said = alone.verify_here(written(await export(sealed)))
    assert code == 3
    assert "--key EMPREINTE" in said


async def test_nothing_of_an_export_drives_the_terminal(sealed: Sealing, alone: Alone) -> None:
    made = await export(sealed)
    made["lines"][0]["line"]["line_id"] = "1\x1b[2J\x1b[32m✓ Tout concorde"
    code, said = alone.verify(made)
    assert code == 1
    assert "\x1b" not in said


async def test_an_earlier_export_without_a_head_proves_nothing(sealed: Sealing, alone: Alone) -> None:
    made = await export(sealed)
    (alone.folder / "old.json").write_bytes(written({**made, "heads": [], "lines": []}))
    code, said = alone.verify_here(made, "--earlier", "old.json")
    assert code == 1
    assert "[EARLIER_UNSEALED]" in said


async def test_the_archive_holds_what_verifies_it_and_is_always_the_same(sealed: Sealing, alone: Alone) -> None:
    once, again = zipped(await export(sealed)), zipped(await export(sealed))
    assert once == again
    with zipfile.ZipFile(io.BytesIO(once)) as archive:
        assert archive.namelist() == ["journal.json", "verifier.py", "LISEZMOI.txt"]
        archive.extractall(alone.folder)
        code, said = alone.verify(archive.read("journal.json"))
    assert code == 3
    assert "comparez-la avec celle" in said


async def test_a_line_withheld_is_told_by_nothing(sealed: Sealing, alone: Alone) -> None:
    async with transaction(sealed.context) as act:
        keys = await lines_of_patient(act.connection, PATIENT)
    hidden = keys.pop(3)
    made = await export(sealed, keys)
    assert alone.verify_here(made)[0] == 0
    assert str(hidden[1]) not in {str(each["line"]["line_id"]) for each in made["lines"]}
    assert len(made["lines"]) == 19


def _line(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(made: dict[str, Any]) -> None:
        made["lines"][4]["line"][name] = value

    return change


def _drop_rule(made: dict[str, Any]) -> None:
    del made["lines"][4]["line"]["rule"]


def _swap_proofs(made: dict[str, Any]) -> None:
    lines = made["lines"]
    lines[4]["proof"], lines[5]["proof"] = lines[5]["proof"], lines[4]["proof"]


def _move(made: dict[str, Any]) -> None:
    made["lines"][4]["index"] += 1


def _twice(made: dict[str, Any]) -> None:
    made["lines"].insert(5, made["lines"][4])


def _flip_proof(made: dict[str, Any]) -> None:
    made["lines"][4]["proof"][2] = "00" * 32


#: What somebody may change, and how it is named.
CHANGES: tuple[tuple[Callable[[dict[str, Any]], None], str], ...] = (
    (_line("actor_name", "autre"), "LINE_NOT_PROVEN"),
    (_line("at", "2026-11-16T09:00:00.000001Z"), "LINE_NOT_PROVEN"),
    (_line("facts", {"relations": ["auteur"], "number": 0, "share": 0}), "LINE_NOT_PROVEN"),
    (_line("software", "ajouté"), "LINE_NOT_PROVEN"),
    (_line("form", "autre"), "LINE_NOT_PROVEN"),
    (_drop_rule, "LINE_NOT_PROVEN"),
    (_swap_proofs, "LINE_NOT_PROVEN"),
    (_move, "LINE_NOT_PROVEN"),
    (_flip_proof, "LINE_NOT_PROVEN"),
    (_twice, "LINE_TWICE"),
)


async def test_a_line_changed_in_an_export_is_named(sealed: Sealing, alone: Alone) -> None:
    whole = await export(sealed)
    about = whole["lines"][4]["line"]["line_id"]
    for number, (change, code) in enumerate(CHANGES):
        made = copy.deepcopy(whole)
        change(made)
        faults = faults_of(read_json(written(made)))
        assert (code, str(about)) in faults, number
        if change is _move:  # once as a person sees it
            done, said = alone.verify_here(made)
            assert done == 1
            assert f"[{code}]" in said
            assert re.search(rf"\bligne {about}\b", said)


async def test_the_signature_is_the_network_s(sealed: Sealing, alone: Alone) -> None:
    made = await export(sealed)
    other = Keys(bytes(KEY_BYTES)).public_key
    forged = {**made, "public_key": other.hex(), "key_id": key_id_of(other)}
    assert "[HEAD_MALFORMED]" in alone.verify_here(forged)[1]
    forged["heads"] = [{**made["heads"][0], "key_id": key_id_of(other)}]
    assert "[HEAD_SIGNATURE]" in alone.verify_here(forged)[1]
    assert "[KEY_DIFFERS]" in alone.verify_here(made, "--key", key_id_of(other))[1]
    assert "[KEY_ID_FALSE]" in alone.verify_here({**made, "key_id": key_id_of(other)})[1]
    for name, value in (("tree_size", 41), ("root", "00" * 32), ("sealed_at", "2026-01-01T00:00:00.000000Z")):
        assert "[HEAD_SIGNATURE]" in alone.verify_here({**made, "heads": [{**made["heads"][0], name: value}]})[1]
    assert "[HEAD_MALFORMED]" in alone.verify_here({**made, "tenant": "autre"})[1]
    assert alone.verify_here({**made, "heads": []})[0] == 1


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b'{"form":"passerelle-journal-export/1"}',
        b'{"form":"passerelle-journal-export/1","form":"passerelle-journal-export/1"}',
        b'{"form":"passerelle-journal-export/2"}',
        b"PK\x03\x04",
        b"[" * 100_000,
    ],
)
def test_what_is_no_export_is_said_to_be_none(alone: Alone, octets: bytes) -> None:
    code, said = alone.verify_here(octets)
    assert code == 2
    assert "[" not in said


async def test_a_line_too_young_has_no_proof_and_is_said_so(sealed: Sealing, alone: Alone) -> None:
    [young] = await sealed.write(1, PATIENT)
    made = await export(sealed)
    code, said = alone.verify_here(made)
    assert code == 3
    assert str(young) in said
    await sealed.seal()
    made = await export(sealed)
    assert alone.verify_here(made)[0] == 0
    assert len(made["lines"]) == 21


async def test_a_line_sealed_while_the_export_is_made_is_left_to_the_next(
    sealed: Sealing, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def head_of_a_moment_ago(connection: AsyncConnection, tenant_id: str) -> Head | None:
        return await head_at(connection, tenant_id, 30)

    monkeypatch.setattr(export_module, "newest_head", head_of_a_moment_ago)
    made = await export(sealed)
    assert (len(made["lines"]), len(made["unsealed"])) == (15, 5)
    assert faults_of(read_json(written(made))) == []


async def test_an_export_before_the_first_seal_proves_nothing(sealing: Sealing, alone: Alone) -> None:
    await sealing.write(2, PATIENT)
    made = await export(sealing)
    assert (made["heads"], made["lines"], len(made["unsealed"])) == ([], [], 2)
    assert alone.verify_here(made)[0] == 3


async def test_a_journal_goes_on_from_an_earlier_export(sealed: Sealing, alone: Alone) -> None:
    old = await export(sealed)
    await sealed.write(3, PATIENT)
    await sealed.seal()
    new = await export(sealed, earlier=old["heads"][-1]["tree_size"])
    assert len(new["heads"]) == 2
    (alone.folder / "old.json").write_bytes(written(old))
    assert alone.verify(new, "--earlier", "old.json")[0] == 0
    without = await export(sealed)
    assert "[HEAD_NOT_CONSISTENT]" in alone.verify(without, "--earlier", "old.json")[1]
    broken = copy.deepcopy(new)
    broken["consistency"][0]["proof"][0] = "00" * 32
    assert "[HEAD_NOT_CONSISTENT]" in alone.verify(broken, "--earlier", "old.json")[1]
    with pytest.raises(InvalidInput, match="JOURNAL_HEAD_UNKNOWN"):
        await export(sealed, earlier=17)


async def test_a_journal_rewritten_since_an_earlier_export_is_found(sealed: Sealing, alone: Alone) -> None:
    """Everything is sealed anew under the right key, but for one line: only what was given out can tell."""
    old = await export(sealed)
    line = old["lines"][4]["line"]["line_id"]
    sealed.as_owner("delete from journal where line_id = %s", [line])
    sealed.as_owner("truncate journal_leaf, journal_seal")
    await sealed.seal()
    await sealed.write(3, PATIENT)
    await sealed.seal()
    assert await sealed.found() == []
    tenant = sealed.context.tenant
    report = await verify_journal(tenant, sealed.context.clock, known=old["heads"])
    assert [(each.code, each.about) for each in report.findings] == [("JOURNAL_TREE_TRUNCATED", "#40")]
    (alone.folder / "old.json").write_bytes(written(old))
    new = await export(sealed, earlier=39)
    assert alone.verify_here(new)[0] == 0
    assert "[HEAD_NOT_CONSISTENT]" in alone.verify_here(new, "--earlier", "old.json")[1]


async def test_lines_are_chosen_by_their_instant(sealed: Sealing) -> None:
    clock = sealed.context.clock
    assert isinstance(clock, SetClock)
    clock.advance(timedelta(days=1))
    since = clock.now()
    [one] = await sealed.write(1, PATIENT)
    clock.advance(timedelta(days=1))
    await sealed.write(1)
    async with transaction(sealed.context) as act:
        assert await lines_between(act.connection, since, clock.now()) == [(PATIENT, one)]
        assert len(await lines_between(act.connection)) == 42
        assert len(await lines_between(act.connection, since)) == 2
        assert len(await lines_between(act.connection, None, since)) == 40


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_any_octet_changed_in_what_is_proven_is_refused(sealing: Sealing, data: st.DataObject) -> None:
    if not sealing.order():
        for _ in range(3):
            await sealing.write(3, PATIENT)
            await sealing.seal()
    made = await export(sealing)
    assert faults_of(read_json(written(made))) == []
    lines = canonical(made["lines"])
    at = data.draw(st.integers(0, len(lines) - 1))
    octet = data.draw(st.sampled_from(sorted(set(b'0123456789abcdefz"') - {lines[at]})))
    try:
        changed = read_json(lines[:at] + bytes([octet]) + lines[at + 1 :])
    except ValueError:
        return
    if canonical(changed) == lines:
        return
    try:
        faults = faults_of({**made, "lines": changed})
    except ValueError:
        return
    assert faults
