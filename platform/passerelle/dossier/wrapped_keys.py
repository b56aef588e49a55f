"""Where the keys of records lie wrapped, for what wraps them to be changed (`kernel.key_rotation`)."""

from __future__ import annotations

from typing import Final

from passerelle.dossier.tables import dossier
from passerelle.kernel.key_rotation import WrappedKeys

RECORDS: Final = WrappedKeys(
    table=dossier,
    owner=dossier.c.patient_id,
    wrapped=dossier.c.wrapped_key,
    changed=lambda anew: {"wrapped_key": anew},
)
