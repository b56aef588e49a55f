"""`passerelle verify schemas`: can the official schemas be used, and do documents hold against them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from passerelle_ops.cli.options import Json, State, settings_of

Documents = Annotated[
    list[Path] | None,
    typer.Argument(exists=True, dir_okay=False, metavar="FICHIER", help="Fiches RCP ou PPS à contrôler."),
]


def schemas(documents: Documents = None, state: State = None, as_json: Json = False) -> None:
    """Les schémas du CI-SIS (PASSERELLE_CISIS_DIR) : utilisables ou non ; les documents donnés, conformes ou non.

    Sans PASSERELLE_CISIS_DIR, seules nos propres règles sont appliquées.
    """
    from passerelle.kernel.errors import InvalidInput
    from passerelle.oncology.formats import schemas as official
    from passerelle_ops.terminal import output, print_json, say, table

    folder = settings_of(state).cisis_dir
    files = [str(each.relative_to(folder)) for each in official.Official(folder).prepare()] if folder else []
    official.use(folder)
    found: list[dict[str, str]] = []
    for path in documents or []:
        try:
            findings = official.check_file(path.read_bytes())
        except InvalidInput as unreadable:
            found.append({"file": path.name, "rule": unreadable.code, "place": "", "message": unreadable.message})
        else:
            found += [
                {"file": path.name, "rule": each.rule, "place": each.place, "message": each.message}
                for each in findings
            ]
    if as_json:
        print_json({"files": files, "schematrons": official.has_processor(), "findings": found})
    else:
        if found:
            rows = [[each["file"], each["rule"], each["place"], each["message"]] for each in found]
            output().print(table("Écarts", ["Fichier", "Règle", "Où", "Ce qui est à corriger"], rows, whole=["Règle"]))
        say("VERIFY_SCHEMAS" if folder else "VERIFY_SCHEMAS_OWN", files=len(files), documents=len(documents or []))
        if folder and not official.has_processor():
            say("VERIFY_SCHEMAS_NO_PROCESSOR")
        say("VERIFY_FAILED" if found else "VERIFY_HOLDS", findings=len(found))
    raise typer.Exit(1 if found else 0)
