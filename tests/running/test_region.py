"""The demo region, started once: its tour, its tokens, and every command that speaks to a running platform."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from passerelle_ops.cli import main
from passerelle_ops.demo.papers import written_document
from passerelle_ops.demo.people import Part, cast_of
from passerelle_ops.demo.signing_in import SignIn
from passerelle_ops.demo.story import Written
from passerelle_ops.demo.tour import take_tour
from passerelle_ops.stack.addresses import Addresses
from passerelle_ops.stack.state import is_alive
from tests.running.region import PATIENTS, ROOT, SECONDS, Region

pytestmark = pytest.mark.timeout(1500)
DAY = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
Run = Callable[..., tuple[int, str]]
ACCESSES = "select count(*) from journal where action in ('read', 'find') and kind <> 'authorizations'"
LAID = (
    "relation",
    "team_consent",
    "block",
    "document_withholding",
    "emergency_access",
    "emergency_objection",
    "document",
    "pharmacy_record_act",
    "dispensation",
    "recall",
)


@pytest.fixture(scope="module")
def region(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Region]:
    region = Region(tmp_path_factory.mktemp("region"))
    yield region
    if region.process.poll() is None:
        region.process.send_signal(signal.SIGTERM)
        region.process.wait(SECONDS)


@pytest.fixture
def run(region: Region, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command against the region: its exit code and what it wrote on the standard output."""
    monkeypatch.setenv("PASSERELLE_STATE", str(region.settings.state))
    monkeypatch.setenv("PASSERELLE_DEMO_PATIENTS", str(PATIENTS))

    def command(*words: str | Path) -> tuple[int, str]:
        capsys.readouterr()
        code = main([str(word) for word in words])
        return code, capsys.readouterr().out

    return command


def me(region: Region, token: str, tenant: str = "oncomip") -> dict[str, str]:
    request = urllib.request.Request(
        f"{region.info().url('web')}/{tenant}/graphql",
        data=json.dumps({"query": "{ me { name kind software } }"}).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return dict(json.load(answer)["data"]["me"])


def counted(region: Region, *questions: str) -> list[int]:
    """What the story's network answers to each `select count(*)`."""
    with psycopg.connect(Addresses(region.settings).tenant_owner_url("oncomip"), autocommit=True) as owner:
        return [row[0] for each in questions for row in owner.execute(each.encode())]


def test_a_fresh_region_has_a_journal_that_holds_and_that_nobody_was_in(region: Region, run: Run) -> None:
    for tenant in ("oncomip", "oncopl", "bourgogne", "picardie"):
        code, said = run("verify", "journal", "--tenant", tenant, "--json")
        assert (code, json.loads(said)["findings"]) == (0, []), said
    assert counted(region, ACCESSES) == [0]


def test_every_step_of_the_tour_sees_what_it_must(region: Region, capsys: pytest.CaptureFixture[str]) -> None:
    code = take_tour(region.settings, region.info())

    assert code == 0, capsys.readouterr().out


@pytest.mark.long
@pytest.mark.no_cover
def test_the_tour_may_be_taken_again(region: Region, capsys: pytest.CaptureFixture[str]) -> None:
    code = take_tour(region.settings, region.info())

    assert code == 0, capsys.readouterr().out


def _program(lines: str, run: Run, folder: Path) -> str:
    """`passerelle` for these lines: what a token command says was asked beforehand, but of the software's."""
    for kind, who in set(re.findall(r"\b(professional|person) ([^\s)|]+)", lines)):
        code, token = run("token", kind, who)
        assert code == 0, (kind, who)
        (folder / f"{kind}-{who}").write_text(token, "utf-8")
    program = folder / "passerelle"
    known, real = f'"{folder}/$2-$3"', shlex.join([sys.executable, "-P", "-m", "passerelle_ops"])
    program.write_text(
        f'#!/bin/sh\n[ "$1" = token ] && [ -f {known} ] && exec cat {known}\nexec {real} "$@"\n', "utf-8"
    )
    program.chmod(0o755)
    return shlex.quote(str(program))


def test_what_it_prints_names_everyone_and_can_be_pasted(region: Region, run: Run, tmp_path: Path) -> None:
    said = region.said.read_text("utf-8")

    for name in ("Dr Claire Delmas", "Dr Antoine Vidal", "Jeanne Valmont", "Camille Rouvière", "Dr Bernard Galy"):
        assert name in said
    for network in ("oncomip", "oncopl", "bourgogne", "picardie"):
        assert f"/{network}/graphql" in said
    lines = said[said.index("JEANNE=") : said.index("La région répond")]
    lines = lines.replace("ops/passerelle", _program(lines, run, tmp_path))
    done = subprocess.run(["/bin/sh", "-n", "-c", lines], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    if shutil.which("curl"):
        place = {**os.environ, "TMPDIR": str(tmp_path)}
        done = subprocess.run(["/bin/sh", "-c", lines], capture_output=True, text=True, check=True, env=place)
        assert "<h1" in (tmp_path / "vue.html").read_text("utf-8")
        answers = [json.loads(line)["data"] for line in done.stdout.splitlines()]
        counts = [each["dossier"].get("documents", {}).get("totalCount") for each in answers if "dossier" in each]
        assert counts == [14, 15, 13, 1, 13, 13, 1, None, None, None, 14, 15, 2, 2]
        (broken,) = [each["breakTheGlass"] for each in answers if "breakTheGlass" in each]
        assert broken["__typename"] == "EmergencyAccess"
        suzanne, jeanne = [each["notices"]["nodes"] for each in answers if "notices" in each]
        assert any("Prenez rendez-vous" in each["sentence"] for each in suzanne)
        assert "Inès Marty a ouvert votre dossier en urgence" in jeanne[0]["sentence"]
        assert len(answers[-1]["journal"]["nodes"]) == 20
        on_duty, gp = [each["dispensingHistory"] for each in answers if "dispensingHistory" in each]
        assert [each["dispensedHere"] for each in on_duty["nodes"]] == [False] * 5
        assert gp["code"] == "ACCESS_REFUSED"
        member, secretary, outsider = [each["boardSession"]["cases"] for each in answers if "boardSession" in each]
        assert [len(each["attachments"]) for each in member] == [2]
        assert [(each["patient"]["familyName"], each["question"]) for each in secretary] == [("Valmont", None)]
        assert outsider == []
        (recalled,) = [each["recalls"]["nodes"] for each in answers if "recalls" in each]
        assert [each["state"] for each in recalled] == ["ESCALATED"]


@pytest.mark.parametrize(
    ("words", "name", "kind", "software"),
    [
        (("professional", "delmas"), "Claire Delmas", "PROFESSIONAL", None),
        (("person", "Jeanne"), "Jeanne Valmont", "PERSON", None),
        (("software", "vidal"), "Antoine Vidal", "PROFESSIONAL", "dossimed"),
    ],
)
def test_a_token_is_bare_and_lets_in(
    region: Region, run: Run, words: tuple[str, ...], name: str, kind: str, software: str | None
) -> None:
    code, token = run("token", *words)

    assert code == 0
    assert token.count("\n") == 1
    assert me(region, token.strip()) == {"name": name, "kind": kind, "software": software}


@pytest.mark.parametrize("words", [("professional", "personne"), ("person", "personne"), ("software", "delmas")])
def test_nobody_unknown_gets_a_token(run: Run, words: tuple[str, ...]) -> None:
    assert run("token", *words) == (2, "")


def test_networks_are_listed_shown_and_refreshed(run: Run) -> None:
    code, listed = run("tenant", "list", "--json")
    assert code == 0
    assert [each["id"] for each in json.loads(listed)] == ["bourgogne", "oncomip", "oncopl", "picardie"]
    assert run("tenant", "list")[0] == 0
    code, shown = run("tenant", "show", "picardie")
    assert code == 0
    assert "800006124" in shown
    assert json.loads(run("tenant", "show", "picardie", "--json")[1])["name"] == "e-Santé Picardie"
    assert run("tenant", "show", "nulle")[0] == 2
    code, created = run("tenant", "create", "oncomip", "--json")
    assert code == 0
    assert json.loads(created)["created"] is False


def test_a_network_of_one_s_own_is_served_without_a_restart(region: Region, run: Run, tmp_path: Path) -> None:
    own = tmp_path / "ardennes.toml"
    own.write_text(
        'id = "ardennes"\nname = "Réseau des Ardennes"\nis_test = true\n[[basins]]\nid = "nord"\nname = "Nord"\n'
        'establishments = [{ finess = "080000037", name = "CH inventé" }]\n',
        "utf-8",
    )

    assert run("tenant", "create", own)[0] == 0
    time.sleep(5.1)  # how long an unknown name is not looked up again
    with pytest.raises(urllib.error.HTTPError) as refused:
        me(region, run("token", "professional", "delmas")[1].strip(), "ardennes")
    with refused.value as answer:
        assert answer.code == 403  # the network answers, and does not know her


def test_feeding_files_then_feeding_them_again(run: Run, tmp_path: Path) -> None:
    cast = cast_of("essai", ["310783055"])
    patient = cast.households[0].patient
    for index in range(3):
        written = Written(
            key=f"feed-{index}", type_code="11488-4", title="Essai", author=Part.ONCOLOGIST, days_ago=index
        )
        paper = written_document(cast, {"310783055": "Hôpital"}, patient, written, DAY)
        (tmp_path / f"{index}.xml").write_bytes(paper.content)
    (tmp_path / "vide.xml").touch()

    code, said = run("ingest", tmp_path, "--tenant", "oncomip", "--json")
    first = json.loads(said)
    assert code == 1
    assert first["totals"] == {"stored": 3, "replaced": 0, "already_here": 0, "set_aside": 0, "refused": 1}
    assert {each["code"] for each in first["files"] if each["result"] == "refused"} == {"EMPTY_FILE"}
    (tmp_path / "vide.xml").unlink()

    code, said = run("ingest", tmp_path, "--tenant", "oncomip", "--json")
    assert code == 0
    assert json.loads(said)["totals"]["already_here"] == 3
    code, said = run("ingest", tmp_path, "--tenant", "oncomip", "--structure", "310783055")
    assert code == 0
    assert "3 déjà là" in said
    assert run("ingest", tmp_path, "--tenant", "oncomip", "--structure", "800006124")[0] == 2
    assert run("ingest", tmp_path, "--tenant", "nulle")[0] == 2


def sealed(region: Region, tenant: str) -> None:
    """Wait until the worker has sealed every line that is there now."""
    with psycopg.connect(Addresses(region.settings).tenant_owner_url(tenant), autocommit=True) as owner:
        newest = owner.execute("select max(line_id) from journal").fetchone()
        waiting = b"select count(*) from journal left join journal_leaf using (patient_id, line_id)"
        waiting += b" where hash is null and line_id <= %s"
        end = time.monotonic() + SECONDS
        while owner.execute(waiting, newest).fetchone() != (0,):
            assert time.monotonic() < end, "the worker does not seal"
            time.sleep(0.1)


def test_the_journal_is_sealed_and_its_export_is_verified_without_the_platform(
    region: Region, run: Run, tmp_path: Path
) -> None:
    sealed(region, "oncomip")
    with psycopg.connect(Addresses(region.settings).tenant_owner_url("oncomip"), autocommit=True) as owner:
        [(patient, count)] = owner.execute(
            "select patient_id, count(*) from journal where actor_kind = 'professional' and outcome = 'allowed'"
            " group by 1 order by 2 desc limit 1"
        ).fetchall()
    out, later = tmp_path / "journal.zip", tmp_path / "later.json"
    export = ("journal", "export", "--tenant", "oncomip", "--reason", "essai")

    code, said = run(*export, out, "--patient", patient, "--json")
    assert code == 0, said
    told = json.loads(said)
    assert told["lines"] >= count
    assert told["unsealed"] == 0

    with zipfile.ZipFile(out) as archive:
        archive.extractall(tmp_path / "alone")

    def verify(*words: str | Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-I", "verifier.py", *map(str, words)]
        return subprocess.run(command, cwd=tmp_path / "alone", capture_output=True, text=True, check=False)

    alone = verify("journal.json", "--key", told["key_id"])
    assert (alone.returncode, alone.stderr) == (0, ""), alone.stdout
    assert f"✓ {told['lines']} lignes" in alone.stdout

    # The export is a line of that patient's journal itself, and the next one goes on from this one.
    sealed(region, "oncomip")
    code, said = run(*export, later, "--since", "2000-01-01", "--earlier", out)
    assert code == 0, said
    assert verify(later, "--earlier", out, "--key", told["key_id"]).returncode == 0
    exported = [each["line"] for each in json.loads(later.read_text("utf-8"))["lines"]]
    by_operator = [line for line in exported if line["rule"] == "journal-export-operator"]
    assert [(line["patient_id"], line["action"], line["facts"]["reason"]) for line in by_operator] == [
        (str(patient), "export", "essai")
    ]
    code, said = run("verify", "journal", "--tenant", "oncomip", "--against", out, "--against", later, "--json")
    assert (code, json.loads(said)["findings"]) == (0, []), said


def test_what_is_kept_is_verified(region: Region, run: Run) -> None:
    for tenant in ("oncomip", "picardie"):
        code, said = run("verify", "contents", "--tenant", tenant)
        assert code == 0, said
        code, said = run("verify", "journal", "--tenant", tenant, "--json")
        assert code == 0, said
        assert json.loads(said)["findings"] == []


def test_what_was_tampered_with_is_found(region: Region, run: Run) -> None:
    folder = region.settings.state / "contents" / "oncopl"
    victims = sorted(each for each in folder.rglob("*") if each.is_file())[:2]
    kept = [each.read_bytes() for each in victims]
    victims[0].write_bytes(kept[0][:-1] + bytes([kept[0][-1] ^ 1]))
    victims[1].unlink()
    stray = folder / "00" / f"{str(uuid4())[:-2]}00"
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(kept[0])

    code, said = run("verify", "contents", "--tenant", "oncopl", "--json")

    found = json.loads(said)
    assert code == 1
    assert sorted(each["code"] for each in found["findings"]) == ["CONTENT_ALTERED", "CONTENT_MISSING"]
    assert found["orphans"] == [stray.name]
    victims[0].write_bytes(kept[0])
    victims[1].write_bytes(kept[1])
    assert run("verify", "contents", "--tenant", "oncopl")[0] == 0


def test_a_right_too_many_and_an_act_without_line_are_found(region: Region, run: Run) -> None:
    sealed(region, "bourgogne")
    with psycopg.connect(Addresses(region.settings).tenant_owner_url("bourgogne"), autocommit=True) as owner:
        owner.execute("grant update on journal to passerelle_bourgogne")
        deleted = owner.execute("delete from journal where action = 'open' and kind = 'dossier'").rowcount
    assert deleted

    code, said = run("verify", "journal", "--tenant", "bourgogne", "--json")

    assert code == 1
    found = json.loads(said)["findings"]
    assert {each["code"] for each in found} == {"JOURNAL_MAY_BE_CHANGED", "JOURNAL_LINE_REMOVED", "ACT_WITHOUT_LINE"}
    assert sum(each["code"] == "JOURNAL_LINE_REMOVED" for each in found) == deleted


def test_a_network_that_declares_another_s_establishment_leaves_nothing(
    region: Region, run: Run, tmp_path: Path
) -> None:
    declared = (ROOT / "tenants" / "oncopl.toml").read_text("utf-8").replace('id = "oncopl"', 'id = "double"')
    (tmp_path / "double.toml").write_text(declared, "utf-8")

    assert run("tenant", "create", tmp_path / "double.toml")[0] == 4

    state = region.settings.state
    assert not [each for each in state.rglob("*double*") if not each.is_relative_to(state / "postgres")]
    with psycopg.connect(Addresses(region.settings).administrator_url(), autocommit=True) as admin:
        left = "select datname from pg_database where datname like '%double%' union all"
        left += " select rolname from pg_roles where rolname like '%double%'"
        assert admin.execute(left.encode()).fetchall() == []


def test_one_state_runs_one_region(region: Region, run: Run) -> None:
    assert run("demo")[0] == 4


@pytest.mark.long
def test_it_stops_at_once_and_starts_again_as_it_was(region: Region) -> None:
    info, everything = region.info(), [ACCESSES, *(f"select count(*) from {table}" for table in LAID)]
    before = counted(region, *everything)
    region.process.send_signal(signal.SIGINT)
    assert region.process.wait(SECONDS) == 0
    assert not [pid for pid in info.pids.values() if is_alive(pid)]

    (region.settings.state / "demo.json").unlink()
    again = Region(folder := region.settings.state.parent)
    try:
        assert again.info().ports["web"] == info.ports["web"]
        # Nothing that it prints at a start is an access, and who moved in does not move in again.
        assert counted(again, *everything) == before
        assert me(again, _token(again)) == {"name": "Jeanne Valmont", "kind": "PERSON", "software": None}
    finally:
        again.process.send_signal(signal.SIGTERM)
        assert again.process.wait(SECONDS) == 0
    shutil.rmtree(folder / "state")


def _token(region: Region) -> str:
    return (desk := SignIn(region.settings)).person(desk.find_person("jeanne"))
