"""Where the keys of what is said once to another network lie wrapped, until acknowledged: see `kinds.recourse`."""

from __future__ import annotations

from typing import Final

from sqlalchemy import ARRAY, Text, Uuid, case, cast, func, literal

from passerelle.kernel.key_rotation import WrappedKeys
from passerelle_tenants.federation.kinds import recourse
from passerelle_tenants.federation.tables import federation_out

_SAID: Final = federation_out.c.payload
_IS_RECOURSE: Final = federation_out.c.kind == recourse.KIND

WORDS_OWED: Final = WrappedKeys(
    table=federation_out,
    owner=case((_IS_RECOURSE, cast(_SAID["referral"].astext, Uuid))),
    wrapped=case((_IS_RECOURSE, func.decode(_SAID["key"].astext, literal("base64", Text())))),
    changed=lambda anew: {
        # PostgreSQL breaks base64 into lines of 76 characters.
        "payload": func.jsonb_set(
            _SAID,
            literal(["key"], ARRAY(Text())),
            func.to_jsonb(func.translate(func.encode(anew, literal("base64", Text())), literal("\n", Text()), "")),
        )
    },
)
