"""The value sets of the board sheet (jeux de valeurs of the CI-SIS), release of 16 June 2025.

`value_sets.csv` is read from fliot/interop-outil-cda-testcontenucda3.0-outil-validation-documents-cda @ d46244d5
(jeuxDeValeurs). Facts of the ANS; the labels are the publisher's. A set is replaced as a whole, no line by hand.
"""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files

from passerelle.oncology.coded import Code


@cache
def value_sets() -> dict[str, dict[str, Code]]:
    """Every set by its name, with its codes in the order of the publisher."""
    found: dict[str, dict[str, Code]] = {}
    with files(__package__).joinpath("value_sets.csv").open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            code = Code(code=row["code"], system=row["system"], label=row["label"])
            found.setdefault(row["value_set"], {})[row["code"]] = code
    return found
