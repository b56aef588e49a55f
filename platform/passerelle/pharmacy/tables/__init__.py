"""The pharmacy record of one tenant. Every patient-scoped table leads its key with the patient."""

from __future__ import annotations

from passerelle.pharmacy.tables.checks import check_override
from passerelle.pharmacy.tables.dispensing import dispensation, dispensation_line, pharmacy_storage_end
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
from passerelle.pharmacy.tables.recalls import recall, recall_delivery, recall_elsewhere
from passerelle.pharmacy.tables.records import pharmacy_record, pharmacy_record_act

__all__ = [
    "check_override",
    "dispensation",
    "dispensation_line",
    "generic_member",
    "interaction",
    "interaction_family",
    "medicine",
    "medicine_substance",
    "medicine_word",
    "pharmacy_record",
    "pharmacy_record_act",
    "pharmacy_storage_end",
    "presentation",
    "recall",
    "recall_delivery",
    "recall_elsewhere",
    "reference_edition",
    "shortage",
]
