"""Who is asking."""

from __future__ import annotations

from dataclasses import dataclass

from passerelle_policies.vocabulary import ActorKind, Setting


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """The bearer of a request, once the token is verified and the tenant knows him.

    `id` is the RPPS number of a professional, the keyed hash of the INS of a person (never the INS itself),
    the FINESS number of an establishment, the name of a task for the system. `profession` is a code of
    TRE_G15, `specialty` of TRE_R38 (savoir-faire), `establishment` the structure he acts from (FINESS),
    `setting` what the directory says that structure is, `software` the client that acts for him.
    """

    kind: ActorKind
    id: str
    name: str
    profession: str | None = None
    specialty: str | None = None
    establishment: str | None = None
    software: str | None = None
    setting: Setting = Setting.NONE

    @property
    def subject(self) -> str:
        """`kind:id`, the form in which relations, blocks and acts name an actor."""
        return f"{self.kind}:{self.id}"
