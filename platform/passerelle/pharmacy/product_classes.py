"""The classes of what is dispensed: each has its own window."""

from __future__ import annotations

from enum import StrEnum


class ProductClass(StrEnum):
    """What a dispensed product is; a vaccine is one before it is a biologic."""

    MEDICINE = "medicine"
    BIOLOGIC = "biologic"  # médicament biologique
    VACCINE = "vaccine"
    DEVICE = "device"  # dispositif médical implantable
