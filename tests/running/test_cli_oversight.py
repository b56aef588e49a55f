"""`journal search`, `unusual` and `audit-events` asked of a real network: what they show, and their own lines."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from passerelle.dossier import reading
from passerelle.kernel.clock import SetClock
from passerelle.kernel.errors import Refused
from passerelle_ops.installation import Installation
from passerelle_ops.settings import Settings
from tests.builders import World, ins_of, professional
from tests.running.test_cli_hindsight import Run
from tests.running.test_cli_hindsight import environment as environment
from tests.running.test_cli_hindsight import run as run

SEARCH = ("journal", "search", "-t", "oncomip", "--reason", "plainte")
DAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
PERIOD = ("--since", "2026-03-01", "--until", "2026-03-08")


def names_in(folder: Path) -> list[str]:
    return [each.name for each in folder.iterdir()]


async def lines(world: World) -> list[Any]:
    asked = text("select patient_id, action, outcome, facts ->> 'reason' as reason from journal order by line_id")
    async with world.tenant.database.transaction() as connection:
        return list((await connection.execute(asked)).all())


async def test_the_officer_at_the_command_line(run: Run, environment: None, tmp_path: Path) -> None:
    installation = Installation(Settings())
    try:
        world = World(await (await installation.registry()).tenant("oncomip"), SetClock(DAY))
        ins, doctor = ins_of(777), professional(name="Alix CHERCHEUSE", establishment="310783055")
        patient_id, person = await world.patient(ins)
        await world.authorize(patient_id, person, doctor)
        await reading.open_dossier(world.context(doctor), patient_id)
        for _ in range(5):
            other_id, _person = await world.patient()
            world.clock.advance(timedelta(minutes=1))
            with pytest.raises(Refused):
                await reading.open_dossier(world.context(doctor), other_id)

        code, out, _ = await run(*SEARCH, *PERIOD, "--rpps", doctor.id, "--refused", "--first", "2", "--json")
        first = json.loads(out)
        assert (code, len(first["lines"])) == (0, 2)
        _, out, _ = await run(*SEARCH, *PERIOD, "--rpps", doctor.id, "--refused", "--json", "--after", first["next"])
        rest = json.loads(out)
        assert (len(rest["lines"]), rest["next"]) == (3, None)
        assert {each["outcome"] for each in [*first["lines"], *rest["lines"]]} == {"refused"}
        assert "facts" not in first["lines"][0]

        day = ("--rpps", doctor.id, "--since", "2026-03-02", "--json")
        assert len(json.loads((await run(*SEARCH, *day, "--until", "2026-03-02"))[1])["lines"]) == 6
        assert len(json.loads((await run(*SEARCH, *day, "--until", "2026-03-02T00:30"))[1])["lines"]) == 0

        code, out, _ = await run(*SEARCH, "--patient", str(patient_id))
        assert code == 0
        assert doctor.id in out
        assert str(patient_id) in out.split()
        assert ins.value not in out
        code, out, _ = await run(*SEARCH, "--structure", "000000000")
        assert (code, out.strip()) == (0, "Aucune ligne ne répond à cette recherche.")

        code, out, _ = await run("journal", "unusual", *SEARCH[2:], *PERIOD)
        assert code == 0
        assert "5 patients demandés et refusés en un jour" in out
        code, out, _ = await run("journal", "unusual", *SEARCH[2:], *PERIOD, "--json")
        assert {each["pattern"]: each["found"] for each in json.loads(out)}["refusals"] == 1

        written = tmp_path / "traces.ndjson"
        code, out, _ = await run("journal", "audit-events", *SEARCH[2:], *PERIOD, "-o", str(written), "--json")
        events = [json.loads(line) for line in written.read_text("utf-8").splitlines()]
        assert (code, json.loads(out)["events"]) == (0, len(events))
        assert [each["outcome"] for each in events].count("4") == 5
        assert ins.value not in written.read_text("utf-8")
        assert names_in(tmp_path) == ["traces.ndjson"]
        again = ("journal", "audit-events", *SEARCH[2:], *PERIOD, "-o", str(written))
        assert (await run(*again))[0] == 2
        assert (await run(*again, "--force"))[0] == 0

        journalled = [(each.patient_id, each.action) for each in await lines(world) if each.reason == "plainte"]
        assert (patient_id, "search") in journalled
        assert [action for _, action in journalled] == ["search"] * 8 + ["export"] * 2
    finally:
        await installation.close()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((*SEARCH[:-1], " "), 2, "REASON_MISSING"),
        ((*SEARCH, "--after", "hier"), 2, "suite d’une page"),
        ((*SEARCH, "--since", "hier"), 2, "il faut une date comme"),
        ((*SEARCH, "--until", "9999-12-31"), 2, "il faut une date comme"),
        ((*SEARCH, "--patient", "00000000-0000-0000-0000-000000000005"), 4, "PATIENT_UNKNOWN"),
        ((*SEARCH, "--since", "2026-03-02", "--until", "2026-03-01"), 2, "PERIOD_EMPTY"),
        (("journal", "unusual", *SEARCH[2:], "--since", "2025-01-01", "--until", "2026-01-01"), 2, "PERIOD_TOO_LONG"),
        (("journal", "audit-events", *SEARCH[2:-1], " ", "-o", "never.ndjson"), 2, "dites pourquoi"),
    ],
)
async def test_what_is_refused(words: tuple[str, ...], code: int, said: str, run: Run) -> None:
    got, _, error = await run(*words)
    assert (got, said in " ".join(error.split())) == (code, True), error
    assert "never.ndjson" not in names_in(Path())
