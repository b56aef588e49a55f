"""A stand-in for Pro Santé Connect and its like: whoever runs the demo signs in as whom he wants.

OpenID Connect Discovery 1.0 and a JWKS over HTTP, so that the platform verifies its tokens as it verifies
any other's; the tokens are made by the `mint_…` methods (`passerelle token`), without a sign-in page. The
claims are those that `passerelle.identities.claims` documents, empty strings included. It proves nothing
about anybody, and so does not start in production.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from joserfc import jwt
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from passerelle.identities.claims import (
    CANCER_NETWORK,
    DATA_PROTECTION_OFFICER,
    HEALTH_AUTHORITY,
    MODES,
    NETWORK,
    PURPOSE_OF_USE,
    ROLE,
    SUBJECT_ID,
    SUBJECT_ROLE,
)
from passerelle.kernel.clock import Clock, SystemClock
from passerelle.kernel.errors import InvalidInput
from passerelle_ops.demo.signing_keys import ALGORITHM, SigningKeys
from passerelle_ops.settings import Settings
from passerelle_policies.vocabulary import Mode

FOLDER: Final = "issuer"
"""Its folder within the state folder."""
VALID_FOR: Final = timedelta(hours=12)
_PROFESSIONS: Final = "1.2.250.1.213.1.1.5.5"
_VIHF_PROFESSIONS: Final = "1.2.250.1.71.1.2.7"
_VIHF_SPECIALTIES: Final = "1.2.250.1.71.4.2.5"
_ACCESS_MODES: Final = "1.2.250.1.213.1.1.4.248"
_SECTORS: Final = "1.2.250.1.71.4.2.4"
_EMPTY_ACTIVITY: Final = dict.fromkeys(
    [
        "codeModeExercice",
        "codeSecteurDactivite",
        "codeSectionPharmacien",
        "codeRole",
        "codeGenreActivite",
        "numeroSiretSite",
        "numeroSirenSite",
        "numeroFinessSite",
        "numeroFinessetablissementJuridique",
        "identifiantTechniqueDeLaStructure",
        "raisonSocialeSite",
        "enseigneCommercialeSite",
        "complementDestinataire",
        "complementPointGeographique",
        "numeroVoie",
        "indiceRepetitionVoie",
        "codeTypeDeVoie",
        "libelleVoie",
        "mentionDistribution",
        "bureauCedex",
        "codePostal",
        "codeCommune",
        "codePays",
        "telephone",
        "telephone2",
        "telecopie",
        "adresseEMail",
        "codeDepartement",
        "ancienIdentifiantDeLaStructure",
        "autoriteDenregistrement",
    ],
    "",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Practice:
    """Where a demo professional works. `finess` is empty for a practice that has none."""

    finess: str = ""
    name: str = ""
    sector: str = "SA07"
    mode: str = "L"
    role: str = ""


class DemoIssuer:
    """Makes tokens of the issuer `url` for `audience`, with the keys in `folder`.

    Refused: DEMO_ISSUER_IN_PRODUCTION when the settings say production.
    """

    def __init__(self, folder: Path, url: str, audience: str = "passerelle", *, clock: Clock | None = None) -> None:
        _refuse_production()
        self.url = url
        self._audience = audience
        self._clock = clock or SystemClock()
        self._keys = SigningKeys(folder)

    def rotate(self) -> str:
        """Sign with a new key from now on; the one before is still published. Gives the new key's name."""
        return self._keys.rotate()

    def mint(self, claims: Mapping[str, object], *, valid_for: timedelta = VALID_FOR) -> str:
        """A signed token with `claims`, which may also replace the usual `iss`, `aud`, `iat`, `exp`."""
        now = int(self._clock.now().timestamp())
        usual = {
            "iss": self.url,
            "aud": self._audience,
            "iat": now,
            "auth_time": now,
            "exp": now + int(valid_for.total_seconds()),
            "jti": secrets.token_hex(16),
            "typ": "Bearer",
            "acr": "eidas2",
        }
        key = self._keys.newest()
        header = {"alg": ALGORITHM, "kid": str(key.kid)}
        return jwt.encode(header, {**usual, **claims}, key, algorithms=[ALGORITHM])

    def mint_professional(
        self,
        *,
        rpps: str,
        family_name: str,
        given_name: str,
        profession: str,
        specialty: str | None = None,
        practices: Sequence[Practice] = (),
        category: str = "C",
        may_regulate: bool = False,
        valid_for: timedelta = VALID_FOR,
    ) -> str:
        """A professional's token, with the claims of Pro Santé Connect; one activity for each practice."""
        national_id = f"8{rpps}"
        exercice = {
            "codeProfession": profession,
            "codeCategorieProfessionnelle": category,
            "codeCiviliteDexercice": "",
            "nomDexercice": family_name,
            "prenomDexercice": given_name,
            "codeTypeSavoirFaire": "S" if specialty else "",
            "codeSavoirFaire": specialty or "",
            "activities": [_activity(each) for each in practices],
        }
        claims = {
            "sub": f"f:00000000-0000-4000-8000-000000000000:{national_id}",
            "preferred_username": national_id,
            "SubjectNameID": national_id,
            "family_name": family_name,
            "given_name": given_name,
            "email_verified": False,
            "Secteur_Activite": f"{practices[0].sector}^{_SECTORS}" if practices else "",
            "SubjectOrganization": practices[0].name if practices else "",
            "SubjectOrganizationID": "",
            "Mode_Acces_Raison": "",
            "Acces_Regulation_Medicale": "VRAI" if may_regulate else "FAUX",
            "UITVersion": "1.0",
            "Palier_Authentification": "APPPRIP3^1.2.250.1.213.1.5.1.1.1",
            "SubjectRole": [f"{profession}^{_PROFESSIONS}"],
            "SubjectRefPro": {"codeCivilite": "", "exercices": [exercice]},
            "otherIds": [{"identifiant": national_id, "origine": "RPPS", "qualite": 1}],
        }
        return self.mint(claims, valid_for=valid_for)

    def mint_person(
        self, *, oid: str, value: str, family_name: str, given_name: str, valid_for: timedelta = VALID_FOR
    ) -> str:
        """A citizen's token: his INS and his names."""
        claims = {
            "sub": f"person:{secrets.token_hex(8)}",
            "ins": {"oid": oid, "value": value},
            "family_name": family_name,
            "given_name": given_name,
        }
        return self.mint(claims, valid_for=valid_for)

    def mint_officer(self, *, network: str, family_name: str, given_name: str, valid_for: timedelta = VALID_FOR) -> str:
        """The token of a network's data-protection officer."""
        claims = {
            "sub": f"officer:{network}",
            ROLE: DATA_PROTECTION_OFFICER,
            NETWORK: network,
            "family_name": family_name,
            "given_name": given_name,
        }
        return self.mint(claims, valid_for=valid_for)

    def mint_authority(self, *, network: str, name: str, valid_for: timedelta = VALID_FOR) -> str:
        """The token of a health authority that announces in a network."""
        claims = {"sub": f"authority:{network}", ROLE: HEALTH_AUTHORITY, NETWORK: network, "family_name": name}
        return self.mint(claims, valid_for=valid_for)

    def mint_cancer_network(self, *, network: str, name: str, valid_for: timedelta = VALID_FOR) -> str:
        """The token of the regional cancer network that validates tumour boards in a network."""
        claims = {"sub": f"cancer:{network}", ROLE: CANCER_NETWORK, NETWORK: network, "family_name": name}
        return self.mint(claims, valid_for=valid_for)

    def mint_software(
        self,
        *,
        client_id: str,
        software: str,
        version: str,
        structure: str,
        rpps: str,
        family_name: str,
        given_name: str,
        profession: str,
        specialty: str | None = None,
        mode: Mode = Mode.NORMAL,
        valid_for: timedelta = VALID_FOR,
    ) -> str:
        """The token of a client of `structure` (FINESS) that acts for a named professional, as a VIHF says it."""
        roles = [{"code": profession, "codeSystem": _VIHF_PROFESSIONS}]
        if specialty:
            roles.append({"code": specialty, "codeSystem": _VIHF_SPECIALTIES})
        purpose = next(code for code, meant in MODES.items() if meant is mode)
        claims = {
            "sub": client_id,
            "client_id": client_id,
            "VIHF_Version": "3.0",
            "Authentification_mode": "INDIRECTE",
            "LPS_Nom": software,
            "LPS_Version": version,
            "LPS_ID_HOMOLOGATION_DMP": "DEMO-000000-0000",
            "Identifiant_Structure": f"1{structure}",
            "Secteur_Activite": f"SA01^{_SECTORS}",
            "SubjectNameID": f"8{rpps}",
            "family_name": family_name,
            "given_name": given_name,
            SUBJECT_ID: f"{family_name} {given_name}",
            SUBJECT_ROLE: roles,
            PURPOSE_OF_USE: {"code": purpose, "codeSystem": _ACCESS_MODES},
        }
        return self.mint(claims, valid_for=valid_for)


def create_app(url: str | None = None, folder: Path | None = None) -> Starlette:
    """The issuer over HTTP: `uvicorn --factory passerelle_ops.demo.issuer:create_app`.

    Without `url` and `folder`, those of the settings; without either, the address it is reached at.
    Refused: DEMO_ISSUER_IN_PRODUCTION.
    """
    _refuse_production()
    settings = Settings()
    keys = SigningKeys(folder or settings.state / FOLDER)
    named = url or settings.issuer

    def configuration(request: Request) -> JSONResponse:
        # The address of the socket, not the Host field: that one is whatever the client wrote.
        host, port = request.scope["server"]
        issuer = named or f"http://{host}:{port}"
        return JSONResponse(
            {
                "issuer": issuer,
                "jwks_uri": f"{issuer.rstrip('/')}/jwks",
                "response_types_supported": ["none"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": [ALGORITHM],
            }
        )

    def published(_: Request) -> JSONResponse:
        return JSONResponse(dict(keys.published()), headers={"cache-control": "no-cache"})

    return Starlette(
        routes=[
            Route("/.well-known/openid-configuration", configuration, methods=["GET"]),
            Route("/jwks", published, methods=["GET"]),
        ]
    )


def _activity(practice: Practice) -> dict[str, str]:
    return {
        **_EMPTY_ACTIVITY,
        "codeModeExercice": practice.mode,
        "codeSecteurDactivite": practice.sector,
        "codeRole": practice.role,
        "codeGenreActivite": "GENR01",
        "numeroFinessSite": practice.finess,
        "raisonSocialeSite": practice.name,
    }


def _refuse_production() -> None:
    if Settings().environment == "production":
        raise InvalidInput("DEMO_ISSUER_IN_PRODUCTION")
