"""At the door: who is let in, and what is refused before anything is asked."""

from __future__ import annotations

from datetime import timedelta

import httpx2

from passerelle_ops.demo.people import Part
from passerelle_ops.demo.tour.step import Step, name_of
from passerelle_ops.demo.visit import ME, Visit


def door(visit: Visit) -> list[Step]:
    """The probes, the tokens, the networks."""
    gp, jeanne = name_of(visit, Part.GP), visit.cast.patient

    def tampered(v: Visit) -> str:
        token = v.token(Part.GP)
        return v.ask(token[:-6] + ("AAAAAA" if token[-6:] != "AAAAAA" else "BBBBBB"), ME).said()

    def expired(v: Visit) -> str:
        who = v.cast.professionals[Part.GP]
        return v.ask(v.desk.professional(who, valid_for=timedelta(minutes=-10)), ME).said()

    def ins_in_url(v: Visit) -> str:
        query = f'{{patient(by:{{ins:{{oid:"{jeanne.ins.oid}",value:"{jeanne.ins.value}"}}}}){{__typename}}}}'
        return v.get(str(httpx2.URL("/oncomip/graphql", params={"query": query})), v.token(Part.GP)).said()

    def live(v: Visit) -> str:
        return str(v.get("/health/live").status)

    def ready(v: Visit) -> str:
        return str(v.get("/health/ready").status)

    return [
        Step("La plateforme vit", "n’importe qui", "GET /health/live", "200", live),
        Step("La plateforme est prête", "n’importe qui", "GET /health/ready", "200", ready),
        Step("Sans jeton", "un inconnu", "me", "401 TOKEN_MISSING", lambda v: v.ask(None, ME).said()),
        Step("Jeton retouché", "un faussaire", "me", "401 TOKEN_BAD_SIGNATURE", tampered),
        Step("Jeton expiré", gp, "me", "401 TOKEN_EXPIRED", expired),
        Step("Qui suis-je", gp, "me", gp.removeprefix("Dr "), lambda v: str(v.ask(v.token(Part.GP), ME).first["name"])),
        Step(
            "Dans un autre réseau",
            gp,
            "me, en Picardie",
            "403 ACTOR_UNKNOWN_HERE",
            lambda v: v.ask(v.token(Part.GP), ME, tenant="picardie").said(),
        ),
        Step("Un INS dans une URL", gp, "GET patient(by: ins)", "405 INS_OVER_GET", ins_in_url),
    ]
