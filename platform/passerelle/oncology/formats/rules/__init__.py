"""The rules that an oncology document keeps, as one table.

Source: the assertions of the CI-SIS schematrons (file, context and message of each; their tests are not copied here,
each rule's test is ours). What of them is not checked, and why, is told in `tests/oncology/unchecked_rules.toml`.
"""

from __future__ import annotations

from typing import Final

from passerelle.oncology.formats.rules import body, cancer, entries, header, observations, sections
from passerelle.oncology.formats.rules.shapes import Group

GROUPS: Final[tuple[Group, ...]] = (
    *header.GROUPS,
    *body.GROUPS,
    *sections.GROUPS,
    *cancer.GROUPS,
    *entries.GROUPS,
    *observations.GROUPS,
)
