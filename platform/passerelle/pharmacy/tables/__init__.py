"""The pharmacy record of one tenant. Every patient-scoped table leads its key with the patient."""

from __future__ import annotations

from passerelle.pharmacy.tables.medicines import (
    generic_member,
    interaction,
    interaction_family,
    medicine,
    medicine_substance,
    medicine_word,
    presentation,
    reference_edition,
    shortage,
)

__all__ = [
    "generic_member",
    "interaction",
    "interaction_family",
    "medicine",
    "medicine_substance",
    "medicine_word",
    "presentation",
    "reference_edition",
    "shortage",
]
