"""Leaving with everything: the export, its verifier run alone, and the seal of the journal."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from passerelle.audit.pruning_statements import prunings
from passerelle.audit.verification import count_lines
from passerelle.audit.verifier import key_id_of
from passerelle.kernel.keys import Keys
from passerelle_ops.demo import story
from passerelle_ops.demo.casting import STORY_TENANT
from passerelle_ops.demo.people import DemoPerson, Part
from passerelle_ops.demo.tour.step import Step, name_of
from passerelle_ops.demo.visit import Visit
from passerelle_ops.installation import Installation
from passerelle_ops.settings import Settings

_HOLDS: Final = "aucune anomalie"
_SEAL_SECONDS: Final = 30.0


def leaving(visit: Visit) -> list[Step]:
    """What may be taken away, by whom, and how anyone verifies it."""
    jeanne, roger = visit.cast.patient, visit.cast.household("Roger")
    heir = roger.heir or roger.patient

    def by_another(v: Visit) -> str:
        return v.get(v.export_url(v.token(Part.GP), jeanne), v.token(Part.GP)).said()

    return [
        Step("Le journal est scellé et tient", "l’exploitant", "passerelle verify journal", _HOLDS, _sealed),
        Step(
            "La patiente emporte tout",
            jeanne.name,
            "son export (zip)",
            f"index.html, {story.JEANNE_TAKES} documents",
            _taken(jeanne, jeanne),
        ),
        Step(
            "… que l’on vérifie sans la plateforme",
            "n’importe qui",
            "python verifier.py --key",
            "code 0, tout est prouvé",
            _verified(jeanne),
        ),
        Step(
            "… et elle seule", name_of(visit, Part.GP), f"l’export de {jeanne.name}", "403 ACCESS_REFUSED", by_another
        ),
        Step(
            "L’ayant droit d’un défunt",
            heir.name,
            f"l’export de {roger.patient.name}",
            f"index.html, {story.HEIR_TAKES} documents",
            _taken(heir, roger.patient),
        ),
    ]


def _taken(who: DemoPerson, patient: DemoPerson) -> Callable[[Visit], str]:
    def take(v: Visit) -> str:
        archive = v.export(who, patient)
        documents = json.loads(archive.read("donnees/documents.json"))
        whole = sum(1 for each in documents if archive.read(each["file"]))
        return f"{'index.html' if 'index.html' in archive.namelist() else 'sans index'}, {whole} documents"

    return take


def _verified(patient: DemoPerson) -> Callable[[Visit], str]:
    def verify(v: Visit) -> str:
        key = key_id_of(Keys.load(Installation(v.settings).keys_of(STORY_TENANT)).public_key)
        with TemporaryDirectory() as folder:
            v.export(patient, patient).extractall(folder)
            journal = Path(folder) / "journal"
            done = subprocess.run(  # noqa: S603 - ours, from the archive
                [sys.executable, "-I", "verifier.py", "journal.json", "--key", key],
                cwd=journal,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
            )
            young = len(json.loads((journal / "journal.json").read_text("utf-8"))["unsealed"])
        return f"code {done.returncode}, {f'{young} lignes sans sceau' if young else 'tout est prouvé'}"

    return verify


def _sealed(visit: Visit) -> str:
    """Others go on writing lines: those that were there when asked are to be sealed."""
    if young := asyncio.run(_without_a_seal(visit.settings)):
        return f"{young} lignes sans sceau"
    done = subprocess.run(  # noqa: S603 - ourselves
        [
            *(sys.executable, "-P", "-m", "passerelle_ops", "verify", "journal", "--tenant", STORY_TENANT),
            *("--state", str(visit.settings.state), "--json"),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    return ", ".join(sorted({each["code"] for each in json.loads(done.stdout)["findings"]})) or _HOLDS


async def _without_a_seal(settings: Settings) -> int:
    """How many of the lines that the journal has now are not sealed in half a minute."""
    end = time.monotonic() + _SEAL_SECONDS
    installation = Installation(settings)
    try:
        tenant = await (await installation.registry()).tenant(STORY_TENANT)
        async with tenant.database.transaction() as connection:
            pruned = await prunings(connection, tenant)
            lines, sealed = await count_lines(connection, pruned)
        while sealed < lines and time.monotonic() < end:
            await asyncio.sleep(0.25)
            async with tenant.database.transaction() as connection:
                _, sealed = await count_lines(connection, pruned)
    finally:
        await installation.close()
    return max(lines - sealed, 0)
