"""A tenant whose doors are open to the use cases themselves."""

from __future__ import annotations

from tests.dossier.conftest import world as world
