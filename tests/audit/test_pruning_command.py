"""`passerelle journal prune` and `health` asked of a real network, whose first lines are twelve years old."""

from __future__ import annotations

import json
from datetime import timedelta

from passerelle.audit.sealing import seal
from passerelle.dossier import newcomers
from passerelle.kernel.clock import SetClock
from passerelle_ops.installation import Installation
from passerelle_ops.settings import Settings
from tests.audit.pruned import THEN
from tests.builders import World, operator
from tests.running.test_cli_hindsight import Run
from tests.running.test_cli_hindsight import environment as environment
from tests.running.test_cli_hindsight import run as run

PRUNE = ("journal", "prune", "-t", "oncomip")
HEALTH = ("journal", "health", "-t", "oncomip")


async def test_the_operator_prunes_at_the_command_line(run: Run, environment: None) -> None:
    code, out, _ = await run(*PRUNE)
    assert (code, out.strip()) == (0, "Rien à élaguer.")
    installation = Installation(Settings())
    try:
        tenant = await (await installation.registry()).tenant("oncomip")
        world = World(tenant, SetClock(THEN))
        for _ in range(3):
            await world.patient(open_=False)
            world.clock.advance(timedelta(days=1))
        await seal(tenant, world.clock)

        code, out, _ = await run(*HEALTH)
        assert code == 0
        assert "3 lignes au journal, dont 3 scellées." in out
        assert "3 lignes ont passé leur durée de conservation (10 ans" in out
        code, out, _ = await run(*PRUNE, "--dry-run")
        assert (code, "0 ligne serait retirée" in out, "3 lignes d’avant ce jour attendent" in out) == (0, True, True)

        await newcomers.tell_of_readers(world.context(operator()))
        code, out, _ = await run(*PRUNE, "--dry-run", "--json")
        told = json.loads(out)
        assert (code, told["past"], told["lines"], told["below"], told["years"]) == (0, 3, 3, 3, 10)
        code, out, _ = await run(*PRUNE, "--json")
        assert (code, json.loads(out)) == (0, {"lines": 3, "below": 3})

        code, out, _ = await run(*HEALTH)
        assert "1 ligne au journal, dont 0 scellée." in out
        assert "Rien ne reste sous la place 3 : élagué jusqu’au" in out
        assert "Aucune ligne n’a passé sa durée de conservation" in out
        told = json.loads((await run(*HEALTH, "--json"))[1])
        assert (told["past"], told["kept"], told["sealed"], told["begins"]) == (0, 1, 0, 3)
        code, out, _ = await run("verify", "journal", "-t", "oncomip")
        assert code == 0, out
        assert "Sous la place 3, les lignes ont été élaguées" in out
    finally:
        await installation.close()
