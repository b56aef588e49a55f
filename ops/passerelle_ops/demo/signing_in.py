"""Signing in as someone of the demo: from a name or a number to a token of the demo issuer."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from passerelle.identities.ins import Ins
from passerelle.kernel.errors import Conflict, InvalidInput
from passerelle_ops.demo.casting import STORY_TENANT, casts
from passerelle_ops.demo.issuer import FOLDER, VALID_FOR, DemoIssuer, Practice
from passerelle_ops.demo.people import Cast, DemoPerson, DemoProfessional, Part
from passerelle_ops.settings import Settings
from passerelle_ops.stack.state import StackInfo, StateFolder
from passerelle_policies.vocabulary import Mode

SOFTWARE: Final = "dossimed"
_SOFTWARE_NAME, _SOFTWARE_VERSION = "DossiMed (démonstration)", "1.0"


class SignIn:
    """Tokens for the people of the demo, with the keys of the state's own issuer.

    Refused: NOT_RUNNING; DEMO_ISSUER_NOT_RUNNING when another issuer was named to what runs.
    """

    def __init__(self, settings: Settings, info: StackInfo | None = None) -> None:
        self._casts = casts(settings)
        url, running = settings.issuer, info
        # The keys of another installation's issuer are looked for here too, and never drawn by looking.
        if running is None and (url is None or not (settings.state / FOLDER).is_dir()):
            running = StateFolder(settings.state).what_runs()
        if url is None:
            if running is None or "issuer" not in running.ports:
                raise Conflict("DEMO_ISSUER_NOT_RUNNING")
            url = running.url("issuer")
        self.issuer = DemoIssuer(settings.state / FOLDER, url, settings.audience)

    @property
    def story(self) -> Cast:
        """The network whose people have a story."""
        return self._casts[STORY_TENANT]

    def cast(self, tenant_id: str) -> Cast:
        """Everyone of a network."""
        return self._casts[tenant_id]

    def find_professional(self, who: str) -> DemoProfessional:
        """By RPPS number, family name or part (`oncologist`). Refused: DEMO_PROFESSIONAL_UNKNOWN."""
        wanted = who.strip().casefold()
        for cast in self._casts.values():
            for each in cast.professionals.values():
                if wanted in {each.rpps, each.handle.casefold(), each.part.name.casefold()}:
                    return each
        raise InvalidInput("DEMO_PROFESSIONAL_UNKNOWN")

    def find_person(self, who: str) -> DemoPerson:
        """By matricule or given name. Refused: DEMO_PERSON_UNKNOWN."""
        wanted = who.strip().casefold()
        for cast in self._casts.values():
            for household in cast.households:
                for each in household.people:
                    if wanted in {each.ins.value, each.handle.casefold()}:
                        return each
        raise InvalidInput("DEMO_PERSON_UNKNOWN")

    def professional(self, who: DemoProfessional | Part, *, valid_for: timedelta = VALID_FOR) -> str:
        """A professional's token."""
        each = self.story.professionals[who] if isinstance(who, Part) else who
        return self.issuer.mint_professional(
            rpps=each.rpps,
            family_name=each.family_name,
            given_name=each.given_name,
            profession=each.profession,
            specialty=each.specialty,
            practices=[Practice(finess=each.finess, name="", sector=each.sector)],
            valid_for=valid_for,
        )

    def person(self, who: DemoPerson, *, valid_for: timedelta = VALID_FOR) -> str:
        """A citizen's token."""
        return self.issuer.mint_person(
            oid=who.ins.oid,
            value=who.ins.value,
            family_name=who.family_name,
            given_name=who.given_name,
            valid_for=valid_for,
        )

    def officer(self, tenant_id: str, *, valid_for: timedelta = VALID_FOR) -> str:
        """The token of a network's data-protection officer. Refused: DEMO_NETWORK_UNKNOWN."""
        if tenant_id not in self._casts:
            raise InvalidInput("DEMO_NETWORK_UNKNOWN")
        return self.issuer.mint_officer(
            network=tenant_id, family_name="Protection", given_name="Déléguée", valid_for=valid_for
        )

    def authority(self, tenant_id: str, *, valid_for: timedelta = VALID_FOR) -> str:
        """The token of the health authority that announces recalls in a network. Refused: DEMO_NETWORK_UNKNOWN."""
        if tenant_id not in self._casts:
            raise InvalidInput("DEMO_NETWORK_UNKNOWN")
        return self.issuer.mint_authority(network=tenant_id, name="Agence (démonstration)", valid_for=valid_for)

    def cancer_network(self, tenant_id: str, *, valid_for: timedelta = VALID_FOR) -> str:
        """The token of the regional cancer network that validates tumour boards. Refused: DEMO_NETWORK_UNKNOWN."""
        if tenant_id not in self._casts:
            raise InvalidInput("DEMO_NETWORK_UNKNOWN")
        name = "Réseau de cancérologie (démonstration)"
        return self.issuer.mint_cancer_network(network=tenant_id, name=name, valid_for=valid_for)

    def stranger(self, ins: Ins) -> str:
        """The token of a citizen whom no network knows."""
        return self.issuer.mint_person(oid=ins.oid, value=ins.value, family_name="Personne", given_name="Inconnue")

    def software(
        self, who: DemoProfessional, *, structure: str = "", mode: Mode = Mode.NORMAL, valid_for: timedelta = VALID_FOR
    ) -> str:
        """The token of a software client of a structure that acts for a professional. Refused: STRUCTURE_MISSING."""
        finess = structure or who.finess
        if not finess:
            raise InvalidInput("STRUCTURE_MISSING")
        return self.issuer.mint_software(
            client_id=SOFTWARE,
            software=_SOFTWARE_NAME,
            version=_SOFTWARE_VERSION,
            structure=finess,
            rpps=who.rpps,
            family_name=who.family_name,
            given_name=who.given_name,
            profession=who.profession,
            specialty=who.specialty,
            mode=mode,
            valid_for=valid_for,
        )
