"""A whole installation to kill: `passerelle serve` over one network, what is fed to it, and what it holds.

Every process is real and its own: the supervisor, PostgreSQL, Valkey, web and worker, and what is killed of commands.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest

from passerelle.dossier.formats.recognise import gather, read
from passerelle.identities.ins import Ins
from passerelle.kernel.clock import PARIS
from passerelle_ops.cli import main
from passerelle_ops.demo.corpus.exchange import Enclosed, pdf, sidecar_octets, xdm_files, zipped
from passerelle_ops.demo.corpus.people import patient, structure, writer
from passerelle_ops.demo.corpus.write import Paper, unique_id, write
from passerelle_ops.settings import Settings
from passerelle_ops.stack.addresses import Addresses
from passerelle_ops.stack.state import StackInfo, StateFolder

ROOT = Path(__file__).resolve().parents[2]
TENANT = "oncomip"
SECONDS = 300.0
"""Only tells what never comes from what is slow: with the processors shared by ten, a start takes over a minute."""
WRITER = writer("house")
_TYPES = ("11488-4", "34112-3", "11502-2", "18748-4", "60591-5")


SLOWLY, AT_ONCE = 0.25, 0.02


def eventually(holds: Callable[[], bool], what: str, *, every: float = SLOWLY) -> None:
    """Look `AT_ONCE` where a blow must fall in the middle of what is done: each look costs as much as what it sees."""
    end = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(every)


class Corpus:
    """Documents of several patients in one folder, replacements among them, and what each must be read back as."""

    def __init__(self, folder: Path, *, documents: int = 150, patients: int = 10) -> None:
        self.folder = folder
        folder.mkdir()
        for number in range(documents):
            self._write(f"{folder.name}/{number}", number, f"{folder.name}/{number % patients}")
        self.expected: dict[str, str] = {}
        """The hash of each content, by uniqueId."""
        self.by_http: set[str] = set()
        """The uniqueIds of what goes through the gateway as it is: CDA and XDM."""
        for path in gather([folder]):
            for document in read(path).documents:
                self.expected[document.metadata.unique_id] = document.sha256
                if path.suffix != ".pdf":
                    self.by_http.add(document.metadata.unique_id)

    def _write(self, seed: str, number: int, who: str) -> None:
        # One in ten replaces the one before last of the same patient; half of those come before what they replace.
        replaced = Ins(unique_id(f"{seed.rpartition('/')[0]}/{number - 10}"), "") if number % 10 == 7 else None
        paper = Paper(
            type_code=_TYPES[number % len(_TYPES)],
            patient=patient(who),
            writer=WRITER,
            structure=structure(who),
            at=datetime(2026, 1, 5, 9, 0, tzinfo=PARIS) + timedelta(hours=7 * number),
            seed=seed,
            replaces=replaced if number >= 10 else None,
            version=2 if replaced and number >= 10 else 1,
        )
        name = f"{number:03d}" if number % 20 != 7 else f"0000-{number:03d}"
        if number % 10 == 3:
            (self.folder / f"{name}.pdf").write_bytes(pdf([f"Document {seed}"]))
            (self.folder / f"{name}.pdf.json").write_bytes(sidecar_octets(paper))
        elif number % 10 == 5:
            (self.folder / f"{name}.zip").write_bytes(zipped(xdm_files([Enclosed(paper, write(paper))], seed=seed)))
        else:
            (self.folder / f"{name}.xml").write_bytes(write(paper))

    def __len__(self) -> int:
        return len(self.expected)


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Ingest:
    """`passerelle ingest` in a process of its own, and what it has acknowledged so far."""

    def __init__(self, house: House, corpus: Corpus, *options: str) -> None:
        self.report = corpus.folder.with_suffix(".jsonl")
        self._process = house.command(
            "ingest", str(corpus.folder), "--tenant", TENANT, "--json", "--report", str(self.report), *options
        )

    def acknowledged(self) -> list[dict[str, Any]]:
        """Every line that is whole: a kill may cut the last one."""
        try:
            lines = self.report.read_text("utf-8").split("\n")[:-1]
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in lines]

    def until(self, count: int) -> None:
        """Wait until so many documents have been acknowledged."""

        def are_there() -> bool:
            assert self._process.poll() is None, self._process.communicate()
            return len(self.acknowledged()) >= count

        eventually(are_there, f"{count} documents are acknowledged", every=AT_ONCE)

    def pause(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()

    def done(self) -> Done:
        out, err = self._process.communicate(timeout=SECONDS)
        return Done(self._process.returncode, out, err)


class House:
    """The running installation. `kill` one of its processes; `open` starts it, the first time or again."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(state=folder / "state")
        for name in ("web", "issuer"):  # not the usual ones, which another test may be taking
            StateFolder(self.settings.state).port(name)
        self.log = folder / "supervisor.log"
        networks = folder / "networks"
        networks.mkdir()
        shutil.copy(ROOT / "tenants" / f"{TENANT}.toml", networks)
        # One server: several behind one port are a matter of their own.
        self._settings = {"PASSERELLE_NETWORKS": str(networks), "PASSERELLE_WEB_PROCESSES": "1"}
        self._supervisor: subprocess.Popen[str] | None = None
        self._killed: set[int] = set()

    def open(self) -> None:
        """Start the supervisor."""
        with self.log.open("ab") as log:
            self._supervisor = self.command("serve", output=log.fileno())

    def serves(self) -> None:
        """Wait until the platform serves, started if need be, whatever the test before did."""
        if self._supervisor is None or self._supervisor.poll() is not None:
            self.open()
        eventually(self._all_are_up, "it serves")

    def _all_are_up(self) -> bool:
        """Those that were killed too: the last of a dead server's own processes may answer for a moment more."""
        pids = self.info().pids
        if "worker" not in pids or not self._killed.isdisjoint(pids.values()):
            return False
        try:
            with self.connect():
                return self.is_ready()
        except psycopg.OperationalError:
            return False

    def close(self) -> int | None:
        """Ask it to stop, if it runs; the exit code."""
        if self._supervisor is None:
            return None
        if self._supervisor.poll() is None:
            self._supervisor.send_signal(signal.SIGTERM)
        return self._supervisor.wait(SECONDS)

    def command(self, *words: str, output: int = subprocess.PIPE) -> subprocess.Popen[str]:
        """`passerelle …` over this state, in a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "passerelle_ops", *words, "--state", str(self.settings.state)],
            env={**os.environ, **self._settings},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            text=True,
        )

    def run(self, *words: str) -> Done:
        """The same in this process, to its end: nobody kills it."""
        with (
            pytest.MonkeyPatch.context() as patch,
            redirect_stdout(StringIO()) as out,
            redirect_stderr(StringIO()) as err,
        ):
            for name, value in self._settings.items():
                patch.setenv(name, value)
            code = main([*words, "--state", str(self.settings.state)])
        return Done(code, out.getvalue(), err.getvalue())

    def info(self) -> StackInfo:
        assert self._supervisor is not None
        assert self._supervisor.poll() is None, self.log.read_text("utf-8")
        return StateFolder(self.settings.state).running() or StackInfo(supervisor=0)

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(self.info().url("web") + "/health/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def kill(self, victim: str) -> None:
        """SIGKILL `supervisor`, or one of its processes, which it will start again; one just killed is waited for."""
        if victim == "supervisor":
            assert self._supervisor is not None
            self._supervisor.kill()
            self._supervisor.wait()
        else:
            eventually(lambda: self._living(victim) is not None, f"there is a {victim} to kill")
            pid = self.info().pids[victim]
            os.kill(pid, signal.SIGKILL)
            self._killed.add(pid)

    def _living(self, name: str) -> int | None:
        pid = self.info().pids.get(name)
        return None if pid in self._killed else pid

    @contextmanager
    def connect(self) -> Iterator[psycopg.Connection]:
        """The tenant's database under its owner."""
        with psycopg.connect(Addresses(self.settings).tenant_owner_url(TENANT), autocommit=True) as connection:
            yield connection

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with self.connect() as connection:
            return connection.execute(statement.encode(), values).fetchall()

    def rings(self) -> None:
        """An event that nobody listens to goes through the outbox."""
        self.rows(
            "insert into outbox (event_id, name, patient_id, payload, at)"
            " values (gen_random_uuid(), 'house.bell_rang', gen_random_uuid(), '{}', now()) returning event_id"
        )
        waiting = "select count(*) from outbox where relayed_at is null"
        eventually(lambda: self.rows(waiting) == [(0,)], "the event is relayed")

    def holds(self, corpus: Corpus, acknowledged: Mapping[str, str]) -> None:
        """Every acknowledged document (its id by uniqueId) is there once, with its hash; nothing is half there."""
        known = list(corpus.expected)
        stored = self.rows("select unique_id, document_id, sha256 from document where unique_id = any(%s)", known)
        by_unique_id = {row[0]: row for row in stored}
        assert len(stored) == len(by_unique_id), "a document is there twice"
        for each, document_id in acknowledged.items():
            assert str(by_unique_id[each][1]) == document_id
        assert {each: row[2] for each, row in by_unique_id.items()}.items() <= corpus.expected.items()
        half = "select count(*) from document_version full join document using (patient_id, document_id)"
        half += " where document.document_id is null or document_version.document_id is null"
        assert self.rows(half) == [(0,)]

    def verifies(self) -> dict[str, Any]:
        """`passerelle verify contents` opens as many contents as there are documents, each as its entry says."""
        contents = self.run("verify", "contents", "--tenant", TENANT, "--json")
        assert contents.code == 0, contents
        told: dict[str, Any] = contents.json
        assert told["findings"] == []
        assert [(told["contents"],)] == self.rows("select count(*) from document")
        return told


def filed(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The document id of each acknowledged uniqueId."""
    return {each["unique_id"]: each["document_id"] for each in rows if each["document_id"] is not None}
