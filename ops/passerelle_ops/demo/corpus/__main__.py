"""`python -m passerelle_ops.demo.corpus FOLDER`: files to feed, one of every oddity and a sheet of a tumour board, of
people who do not exist."""

from __future__ import annotations

import sys
from pathlib import Path

from passerelle.oncology.formats import frcp
from passerelle_ops.demo.corpus.quirks import quirks
from passerelle_ops.demo.corpus.sheets import sheet

SHEET = Path("fiche_rcp", "fiche.xml")


def write_all(folder: Path) -> int:
    """A folder for each oddity, and for the sheet; says how many files there are."""
    files = {Path(quirk.name, name): octets for quirk in quirks().values() for name, octets in quirk.files.items()}
    files[SHEET] = frcp.written(sheet(1))
    for name, octets in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(octets)
    return len(files)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Il faut un dossier où écrire : python -m passerelle_ops.demo.corpus DOSSIER")
    sys.stdout.write(f"{write_all(Path(sys.argv[1]))} fichiers dans {sys.argv[1]}\n")
