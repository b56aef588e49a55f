"""The files as they were published, when they lie beside the tree; and small ones with every quirk."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import ROOT

MEDICINES = ROOT.parent / "shared/data/medicines"
BDPM = MEDICINES / "bdpm-2026-05"
INTERACTIONS = MEDICINES / "ansm-interactions"

needs_published = pytest.mark.skipif(
    not MEDICINES.is_dir(), reason="the public lists are not in ../shared/data/medicines: only the small ones are read"
)


def bdpm(folder: Path, **files: bytes) -> Path:
    """A folder named after May 2026 with the three files that are needed, unless told otherwise."""
    folder = folder / "bdpm-2026-05"
    folder.mkdir()
    given = {
        "CIS_bdpm": medicine("60000001", "DOLIXEN 500 mg, comprimé").encode("cp1252"),
        "CIS_CIP_bdpm": presentation("60000001", "3400930000007").encode("utf-8"),
        "CIS_COMPO_bdpm": substance("60000001", "PARACÉTAMOL").encode("cp1252"),
        **files,
    }
    for name, octets in given.items():
        (folder / f"{name}.txt").write_bytes(octets)
    return folder


def medicine(cis: str, name: str, *more: str) -> str:
    """A line of CIS_bdpm."""
    plain = ("comprimé", "orale", "Autorisation active", "Procédure nationale", "Commercialisée", "01/01/2020")
    return "\t".join((cis, name, *plain, "", "", " UN TITULAIRE", "Non", *more)) + "\r\n"


def presentation(cis: str, cip13: str, *more: str) -> str:
    """A line of CIS_CIP_bdpm."""
    declared = ("Présentation active", "Déclaration de commercialisation", "01/01/2020")
    return "\t".join((cis, cip13[5:12], "16 comprimés", *declared, cip13, "oui", *more)) + "\n"


def substance(cis: str, name: str, nature: str = "SA", link: str = "1") -> str:
    """A line of CIS_COMPO_bdpm."""
    return "\t".join((cis, "comprimé", "02202", name, "500 mg", "un comprimé", nature, link)) + "\r\n"
