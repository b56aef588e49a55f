"""What a record may hold that a writer of JSON or of SQL trips over: quotes, controls, astral letters, nothing at all.

Drawn once as data, then made through the use cases in as many tenants as asked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypeVar
from uuid import UUID

from passerelle.audit.transactions import Act, transaction
from passerelle.dossier import attending, care_teams, emergencies, publishing, relations, team_consents
from passerelle.dossier.formats.submission import (
    RPPS_DOMAIN,
    Author,
    DocumentMetadata,
    EventCode,
    IncomingDocument,
    PatientIdentity,
)
from passerelle.identities import patients
from passerelle.identities.directory import Directory, Establishment, Practice, Professional
from passerelle.identities.ins import IdentityStatus
from passerelle.kernel.errors import PasserelleError
from passerelle.kernel.hl7_time import Hl7Time
from passerelle_ops.bench._stage import FINESS, RPPS, Stage, ins_of
from passerelle_ops.bench._worlds import CAST, CITIZENS, PROFESSIONALS, TYPES, Draw
from passerelle_policies.vocabulary import Mode

_T = TypeVar("_T")

#: Texts that people write, and texts that nobody should.
TEXTS: Final = (
    "Compte rendu d’hospitalisation : « l'œdème » \"aigu\"", "C:\\dossiers\\essai\\", "ligne\nligne\tcolonne\r\n",
    "\x01", "\x010\x02[]\x01", "\x011\x02[\"allowed\"]\x01", "\x02", "\x1f\x7f\x85\x08\x0c", "\\u0001", "\\x01", "😀",
    "𝔘\U0010ffff", "e\u0301 \u202e \u2028 \ufeff \ufffe", "</script><!--", "${x} %s {0} $1 :id", "passerelle_body",
    "null", '{"a":1}', "' || 'x", "", " ", "É" * 300,
)  # fmt: skip
STRUCTURES: Final = (FINESS, "310781406", "750712184")
#: Where the pharmacist of the cast works.
PHARMACY: Final = "319999901"
_CATEGORIES: Final = {PHARMACY: "SA33"}
#: Traits: birth name, used name, first names, day of birth, sex, place.
_TRAITS: Final = (
    ("D’« ESSAI » \"\\", "", (), "", "", ""),
    ("ÉSSAI\x01", "O'ESSAI 😀", ("Zoé \"\\ \x02", ""), "1980", "U", "31555"),
    ("ESSAI", "", ("Alix", "Dominique"), "198001", "F", ""),
)  # fmt: skip
_MOMENTS: Final = ("2026", "202610", "20261110", "20261110093000+0100", "20261110093000.123456789Z", "", "hier", "0001")
_MIME: Final = ("text/xml", "application/pdf", "text/plain", 'text/"x"\\')


@dataclass(frozen=True, slots=True, kw_only=True)
class Oddity:
    """One record's odd content."""

    born: str
    documents: Sequence[IncomingDocument]
    registered: Sequence[tuple[int, IdentityStatus]]
    proofs: Sequence[str]
    team: str
    reason: str


def drawn_oddity(draw: Draw, stage: Stage) -> Oddity:
    """What to add to a world that was played."""
    return Oddity(
        born=stage.born,
        documents=[_document(draw, stage, number) for number in range(draw.choose((2, 3, 4)))],
        registered=[(draw.choose(range(len(_TRAITS))), draw.choose(list(IdentityStatus))) for _ in CITIZENS],
        proofs=[draw.choose(TEXTS) for _ in range(3)],
        team=draw.choose(TEXTS),
        reason=draw.choose(TEXTS),
    )


@dataclass(frozen=True, slots=True)
class Made:
    """What came to be."""

    people: list[UUID]
    documents: list[UUID]
    teams: list[UUID]


async def add(stage: Stage, oddity: Oddity) -> Made:
    """Make it so; what the rules refuse is not done."""
    people: list[UUID] = []
    for citizen, (number, status) in zip(CITIZENS, oddity.registered, strict=True):
        family_name, used_name, given_names, birth_date, sex, birth_place = _TRAITS[number]
        traits = patients.Traits(
            family_name="ESSAI" if citizen == "patient" else family_name,
            used_name=used_name,
            given_names=("Alix",) if citizen == "patient" else given_names,
            birth_date=oddity.born if citizen == "patient" else birth_date,
            sex="F" if citizen == "patient" else sex,
            birth_place=birth_place,
        )
        async with transaction(stage.context("hospital")) as act:
            people.append(
                await patients.register(
                    act, [ins_of(stage.world, citizen)], traits, status, source=oddity.proofs[0][:200]
                )
            )
    filed: list[UUID] = []
    for each in oddity.documents:
        with suppress(PasserelleError):
            async with transaction(stage.context("hospital")) as act:
                filed.append((await publishing.publish(act, stage.patient_id, each)).document_id)
    return Made(people, filed, await _let_in(stage, oddity))


async def register_places(directory: Directory, tenant_id: str) -> None:
    """Structures and professionals with odd names, some of whom work in one."""
    names = dict(zip((*STRUCTURES[:2], PHARMACY), (TEXTS[0], f"CHU \\ {TEXTS[4]}", TEXTS[11]), strict=True))
    await directory.register_establishments(
        [
            Establishment(finess=each, name=name, basin="essai", tenant_id=tenant_id, category=_CATEGORIES.get(each))
            for each, name in names.items()
        ]
    )
    await directory.register_professionals(
        [
            Professional(
                rpps=RPPS[who],
                family_name=f"ESSAI {TEXTS[number]}",
                given_name=TEXTS[-number],
                profession=CAST[who].profession or "",
                specialty=(None, "SM54", "XX99")[number % 3],
                practices=(Practice(tenant_id=tenant_id, finess=_place(who, number)),),
            )
            for number, who in enumerate(PROFESSIONALS)
        ]
    )


def _place(who: str, number: int) -> str:
    return PHARMACY if who == "pharmacist" else (FINESS, "", STRUCTURES[1])[number % 3]


async def _let_in(stage: Stage, oddity: Oddity) -> list[UUID]:
    """The id of a new team; and a grant, a declared physician, an emergency: with odd names, proofs and reasons."""
    proof, other, third = oddity.proofs
    how, until = team_consents.InformedHow.INTERVIEW, stage.clock.now() + timedelta(days=30)
    teams: list[UUID] = []

    async def team(act: Act) -> None:
        teams.append(await care_teams.create_care_team(act, oddity.team))

    async def member(act: Act) -> None:
        await care_teams.add_care_team_member(act, teams[0], RPPS["pharmacist"])

    async def consent(act: Act) -> None:
        await team_consents.consent_to_team(act, stage.patient_id, teams[0], informed_how=how, proof=third, until=until)

    async def authorize(act: Act) -> None:
        await relations.authorize(act, stage.patient_id, RPPS["gp"], until=until, proof=proof)

    async def attend(act: Act) -> None:
        await attending.declare_attending_physician(act, stage.patient_id, RPPS["gp"], proof=other)

    async def enter(act: Act) -> None:
        await emergencies.break_the_glass(act, stage.patient_id, oddity.reason)

    for who, mode, made in (
        ("nurse", Mode.NORMAL, team),
        ("nurse", Mode.NORMAL, member),
        ("patient", Mode.NORMAL, authorize),
        ("patient", Mode.NORMAL, attend),
        ("patient", Mode.NORMAL, consent),
        ("oncologist", Mode.BREAK_GLASS, enter),
    ):
        with suppress(PasserelleError, IndexError):
            async with transaction(stage.context(who, mode)) as act:
                await made(act)
    return teams


def _document(draw: Draw, stage: Stage, number: int) -> IncomingDocument:
    unique_id = f"2.25.{stage.world * 1000 + 900 + number}"
    content = unique_id.encode()

    def text() -> str:
        return draw.choose(TEXTS)

    def perhaps(value: _T) -> _T | None:
        return draw.choose((value, value, None))

    def author() -> Author:
        who = draw.choose(PROFESSIONALS)
        return Author(
            kind=draw.choose(("professional", "professional", "patient", "device")),
            id=perhaps(RPPS[who]),
            id_oid=draw.choose((RPPS_DOMAIN, RPPS_DOMAIN, "1.2.3", None)),
            family_name=perhaps(text()),
            given_name=perhaps(text()),
            profession=draw.choose(("10", "60", "", "99", text(), None)),
            profession_label=draw.choose(("", text(), None)),
            specialty=draw.choose(("SM54", "", text(), None)),
            role=perhaps(text()),
            structure_id=perhaps(text()),
            structure_name=perhaps(text()),
        )

    moments = [Hl7Time.parse(draw.choose(_MOMENTS)) for _ in range(3)]
    return IncomingDocument(
        metadata=DocumentMetadata(
            unique_id=unique_id,
            set_id=perhaps(text()),
            version_number=draw.choose((None, 0, 7, 2**31 - 1)),
            type_code=draw.choose(TYPES),
            format_code=perhaps(text()),
            mime_type=draw.choose(_MIME),
            confidentiality=draw.choose(("N", "R", text())),
            masked=draw.choose((False, False, False, True)),
            title=text(),
            language=perhaps(text()),
            authors=tuple(author() for _ in range(draw.choose((0, 1, 2)))),
            structure_id=perhaps(draw.choose((*STRUCTURES, text()))),
            facility_type=perhaps(text()),
            practice_setting=perhaps(text()),
            event_codes=tuple(
                EventCode(code=text(), system=perhaps(text()), label=perhaps(text()))
                for _ in range(draw.choose((0, 0, 1, 2)))
            ),
            creation_time=moments[0],
            service_start=perhaps(moments[1]),
            service_stop=perhaps(moments[2]),
            patient=PatientIdentity(),
        ),
        content=content,
        sha256=hashlib.sha256(content).hexdigest(),
    )
