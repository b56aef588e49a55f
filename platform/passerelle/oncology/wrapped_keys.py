"""Where the keys of lent cases lie wrapped, for what wraps them to be changed (`kernel.key_rotation`)."""

from __future__ import annotations

from typing import Final

from passerelle.kernel.key_rotation import WrappedKeys
from passerelle.oncology.tables import recourse_case

LENT_CASES: Final = WrappedKeys(
    table=recourse_case,
    owner=recourse_case.c.referral_id,
    wrapped=recourse_case.c.wrapped_key,
    changed=lambda anew: {"wrapped_key": anew},
)
