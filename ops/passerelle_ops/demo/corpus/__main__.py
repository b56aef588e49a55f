"""`python -m passerelle_ops.demo.corpus FOLDER`: files to feed, one of every oddity, of people who do not exist."""

from __future__ import annotations

import sys
from pathlib import Path

from passerelle_ops.demo.corpus.quirks import quirks


def write_all(folder: Path) -> int:
    """One folder for each oddity; says how many files there are."""
    written = 0
    for quirk in quirks().values():
        for name, octets in quirk.files.items():
            file = folder / quirk.name / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(octets)
            written += 1
    return written


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Il faut un dossier où écrire : python -m passerelle_ops.demo.corpus DOSSIER")
    sys.stdout.write(f"{write_all(Path(sys.argv[1]))} fichiers dans {sys.argv[1]}\n")
