"""`policy explain --actor` and `policy replay` asked of a real network: answers, exit codes, and no INS anywhere."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from passerelle.audit.tables import journal
from passerelle.audit.transactions import transaction
from passerelle.dossier import documents, emergencies, relations, visibility
from passerelle.identities.ins import Ins
from passerelle.kernel.actors import Actor
from passerelle.kernel.clock import SetClock
from passerelle.kernel.errors import Refused
from passerelle_ops.cli import main
from passerelle_ops.installation import Installation
from passerelle_ops.settings import Settings
from passerelle_policies.packs import packs
from passerelle_policies.vocabulary import Mode
from tests.builders import World, ins_of, professional
from tests.builders import document as incoming
from tests.conftest import Cloned
from tests.running.one_network import one_network

ASKING = ("policy", "explain", "-t", "oncomip")
_houses = count(1)
Run = Callable[..., Awaitable[tuple[int, str, str]]]


@dataclass
class House:
    """One patient's story in a network that was set up over the databases of this module."""

    world: World
    ins: Ins
    day: date
    patient_id: UUID
    person: Actor
    doctor: Actor
    document_id: UUID
    unique_id: str


@pytest.fixture(scope="module")
async def environment(
    tenant_database: Cloned, directory_database: Cloned, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[None]:
    async with one_network(tenant_database, directory_database, tmp_path_factory.mktemp("hindsight")) as patch:
        patch.setenv("COLUMNS", "200")
        yield


@pytest.fixture
def run(environment: None, capsys: pytest.CaptureFixture[str]) -> Run:
    async def command(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = await asyncio.to_thread(main, list(words))
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return command


@pytest.fixture
async def house(environment: None) -> AsyncIterator[House]:
    """Filed at nine; at ten the doctor is let in and reads; masked at eleven; refused and blocked the day after."""
    number = next(_houses)
    morning = datetime(2025, 11, 3, 8, 0, tzinfo=UTC) + timedelta(days=3 * number)
    installation = Installation(Settings())
    clock = SetClock(morning)
    world = World(tenant=await (await installation.registry()).tenant("oncomip"), clock=clock)
    ins = ins_of(77_000 + number)
    patient_id, person = await world.patient(ins)
    doctor = professional()
    unique_id = f"2.25.{patient_id.int}"
    document_id = await world.publish(patient_id, incoming(unique_id=unique_id, author=professional()))
    clock.advance(timedelta(hours=1))
    await world.authorize(patient_id, person, doctor)
    await documents.read_document(world.context(doctor), document_id)
    clock.advance(timedelta(hours=1))
    async with transaction(world.context(person)) as act:
        await visibility.mask(act, document_id)
    clock.advance(timedelta(days=1))
    with pytest.raises(Refused):
        await documents.read_document(world.context(doctor), document_id)
    async with transaction(world.context(person)) as act:
        await relations.block_professional(act, patient_id, doctor.id)
    yield House(world, ins, morning.date(), patient_id, person, doctor, document_id, unique_id)
    await installation.close()


async def searches(house: House) -> list[Any]:
    async with house.world.tenant.database.transaction() as connection:
        chosen = select(journal).where(journal.c.patient_id == house.patient_id, journal.c.action == "search")
        return list((await connection.execute(chosen)).all())


async def test_could_he_have_read_it_that_day_and_why(house: House, run: Run, tmp_path: Path) -> None:
    about = ("--actor", house.doctor.id, "--patient", str(house.patient_id), "--document", house.unique_id)

    code, out, _ = await run(*ASKING, *about, "--on", str(house.day), "--reason", "réclamation", "--json")

    assert code == 0
    said = json.loads(out)
    assert [(each["at"][11:16], each["allowed"], each["rule"]) for each in said["answers"]] == [
        ("00:00", False, "absent"),
        ("09:00", False, "default-deny"),
        ("10:00", True, "read-physician"),
        ("11:00", False, "document-masked"),
    ]
    assert said["profession_known_from"] == "journal"
    assert said["answers"][2]["facts"]["relations"] == ["authorized"]
    (line,) = await searches(house)
    assert (line.actor_kind, line.outcome, line.facts["reason"]) == ("officer", "allowed", "réclamation")


async def test_an_instant_has_one_answer_told_in_french(house: House, run: Run) -> None:
    about = ("--actor", house.doctor.id, "--patient", str(house.patient_id), "--document", str(house.document_id))

    code, out, _ = await run(*ASKING, *about, "--on", f"{house.day}T10:30", "--reason", "contrôle")

    assert code == 0
    for words in (
        "autorisé",
        "read-physician",
        "médecin (telle que le journal",
        packs()[-1].name,
        f"{packs()[-1].effective:%d/%m/%Y}",
        "11488-4",
        "journal du patient",
    ):
        assert words in out
    code, out, _ = await run(*ASKING, *about[:4], "--reason", "contrôle")
    assert (code, "bloqué par le patient" in out) == (0, True)


async def test_who_had_broken_the_glass_is_not_told_as_a_plain_no(house: House, run: Run) -> None:
    clock = house.world.clock
    clock.advance(timedelta(days=1))
    async with transaction(house.world.context(house.person)) as act:
        await relations.unblock_professional(act, house.patient_id, house.doctor.id)
        await relations.withdraw_authorization(act, house.patient_id, house.doctor.id)
        await visibility.unmask(act, house.document_id)
    day = clock.now().date()
    clock.advance(timedelta(hours=2))
    async with transaction(house.world.context(house.doctor, mode=Mode.BREAK_GLASS)) as act:
        await emergencies.break_the_glass(act, house.patient_id, reason="inconscient")
    about = ("--actor", house.doctor.id, "--patient", str(house.patient_id), "--document", str(house.document_id))
    asked = (*ASKING, *about, "--on", str(day), "--reason", "réclamation")

    code, out, _ = await run(*asked, "--json")

    assert code == 0
    said = [
        (each["mode"], each["at"][11:16], each["until"][11:16], each["code"]) for each in json.loads(out)["answers"]
    ]
    assert said[-2:] == [
        ("normal", "11:00", "00:00", "DOCUMENT_UNKNOWN"),
        ("break_glass", "13:00", "14:00", None),
    ]
    code, out, _ = await run(*asked)
    assert code == 0
    for words in ("Mode", "mode bris de glace", "sans changer la réponse"):
        assert words in out
    code, out, _ = await run(*asked, "--mode", "normal", "--json")
    assert {each["mode"] for each in json.loads(out)["answers"]} == {"normal"}


async def test_a_patient_is_named_by_a_file_never_by_an_argument(house: House, run: Run, tmp_path: Path) -> None:
    (tmp_path / "ins").write_text(f"{house.ins.value}\n", "utf-8")
    about = ("--actor", "patient", "--ins-file", str(tmp_path / "ins"), "--document", house.unique_id)

    code, out, wrong = await run(*ASKING, *about, "--reason", "droit d’accès", "--json")

    assert code == 0, wrong
    assert json.loads(out)["answers"][0]["rule"] == "read-own"
    code, out, wrong = await run(*ASKING, "--actor", "patient", "--patient", house.ins.value, "--reason", "x")
    assert (code, out) == (2, "")
    assert "jamais" in wrong
    assert house.ins.value not in wrong


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--reason", "x"], 2, "il faut dire qui demande"),
        (["--actor", "patient", "--patient", "{patient}"], 2, "il faut un motif"),
        (["--actor", "patient", "--patient", "{patient}", "--reason", " "], 2, "il faut un motif"),
        (["--actor", "patient", "--role", "physician", "--reason", "x"], 2, "seul --mode va avec"),
        (["--actor", "patient", "--patient", "{patient}", "--on", "hier", "--reason", "x"], 2, "il faut une date"),
        (["--actor", "patient", "--patient", "{patient}", "--mode", "turbo", "--reason", "x"], 2, "mots connus"),
        (
            ["--actor", "patient", "--patient", "{patient}", "--on", "1999-01-01", "--reason", "x"],
            2,
            "NO_RULES_THAT_DAY",
        ),
        (["--actor", "patient", "--patient", "inconnu", "--reason", "x"], 4, "PATIENT_UNKNOWN"),
        (["--actor", "10999999999", "--patient", "{patient}", "--reason", "x"], 4, "PROFESSIONAL_UNKNOWN"),
        (["--actor", "patient", "--patient", "{patient}", "--document", "x", "--reason", "x"], 4, "DOCUMENT_NOT_HELD"),
        (["--actor", "patient", "--ins-file", "/nulle/part", "--reason", "x"], 2, "ne se lit pas"),
    ],
)
async def test_a_question_that_makes_no_sense_is_refused_and_leaves_nothing(
    words: list[str], code: int, said: str, house: House, run: Run
) -> None:
    given = [each.format(patient=house.patient_id) for each in words]

    answered, out, wrong = await run(*ASKING, *given)

    assert (answered, out) == (code, ""), wrong
    assert said in wrong
    assert await searches(house) == []


async def test_a_pack_is_replayed_on_what_was_really_asked(house: House, run: Run, tmp_path: Path) -> None:
    code, out, _ = await run("policy", "replay", packs()[-1].name, "--since", str(house.day), "--json")
    said = json.loads(out)
    assert (code, said["gained"], said["lost"], said["astray"]["count"]) == (0, 0, 0, 0)
    assert said["asked_again"] > 5

    folder = tmp_path / "2030-essai"
    folder.mkdir()
    (folder / "pack.toml").write_text(
        f'label = "Essai"\neffective = 2030-01-01\nsource = "essai"\nextends = "{packs()[-1].name}"\n', "utf-8"
    )
    (folder / "matrix.csv").write_text(
        "rule,role,relation,setting,kind,types,action,mode,even_if,dossier,when,effect,established,source,sentence,to_professional\n"
        "x-essai,physician,authorized,*,document,11488-4,read,*,,open,,deny,yes,essai,Essai.,\n",
        "utf-8",
    )
    code, out, _ = await run("policy", "replay", str(folder), "--since", str(house.day), "--json")
    said = json.loads(out)
    assert (code, said["gained"], said["lost"]) == (0, 0, 1)
    (change,) = said["changes"]
    assert (change["role"], change["relations"], change["type"]) == ("physician", ["authorized"], "11488-4")

    code, out, _ = await run("policy", "replay", str(folder), "--since", str(house.day), "-t", "oncomip")
    assert code == 0
    for words in ("médecin", "autorisé", "11488-4", "1 accord deviendrait un refus", "Ce qu’une liste a montré"):
        assert words in out


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["2008-reves", "--since", "2026-01-01"], 2, "paquets connus"),
        ([packs()[-1].name, "--since", "hier"], 2, "il faut une date"),
        ([packs()[-1].name, "--since", "2026-01-02", "--until", "2026-01-01"], 2, "il vient avant"),
        ([packs()[-1].name], 2, "Il manque"),
        ([packs()[-1].name, "--since", "2026-01-01", "-t", "nulle"], 2, "TENANT_UNKNOWN"),
    ],
)
async def test_a_replay_that_makes_no_sense_is_refused(
    words: list[str], code: int, said: str, house: House, run: Run
) -> None:
    answered, out, wrong = await run("policy", "replay", *words)
    assert (answered, out) == (code, ""), wrong
    assert said in wrong
