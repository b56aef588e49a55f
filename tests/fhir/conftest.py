"""The same tenant as the record's."""

from tests.dossier.conftest import world as world
