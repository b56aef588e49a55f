"""The papers of the demo: CDA R2 documents with an invented narrative, read back as any document that is fed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from xml.sax.saxutils import escape, quoteattr

from passerelle.dossier.formats.allergies import Allergy
from passerelle.dossier.formats.cda import read_cda
from passerelle.dossier.formats.submission import IncomingDocument
from passerelle.identities.ins import Ins
from passerelle_ops.demo.corpus.kinds import KINDS
from passerelle_ops.demo.corpus.medicines import allergies_section
from passerelle_ops.demo.corpus.people import Patient, Structure, Writer
from passerelle_ops.demo.corpus.write import Paper, sections_of, write
from passerelle_ops.demo.people import Cast, DemoPerson, DemoProfessional
from passerelle_ops.demo.story import Written, unique_id
from passerelle_policies import nomenclatures

_HIDING = {
    "is_masked": "MASQUE_PS",
    "hidden_from_patient": "INVISIBLE_PATIENT",
    "hidden_from_representatives": "INVISIBLE_REPRESENTANTS_LEGAUX",
}

_NARRATIVES: dict[str, str] = {
    "11488-4": "Consultation de suivi. État général conservé, poids stable. Revoir dans un mois.",
    "57833-6": "Paracétamol 1 g, trois fois par jour si douleur, sept jours. Ne pas dépasser 3 g par jour.",
    "11502-2": "Numération, ionogramme et bilan hépatique : valeurs dans les limites attendues.",
    "18748-4": "Examen comparé au précédent : pas d’anomalie nouvelle. Conclusion : aspect stable.",
    "34874-8": "Intervention programmée, sans incident. Perte sanguine minime. Suites simples prévues.",
    "11490-0": "Sortie à domicile. Soins infirmiers chaque jour pendant dix jours, consultation à un mois.",
    "34794-8": "Dossier présenté en réunion, quorum atteint. Proposition : chimiothérapie adjuvante, six cycles.",
    "18776-5": "Calendrier des soins, coordonnées de l’équipe, conduite à tenir en cas de fièvre.",
    "60593-1": "Délivrance conforme à l’ordonnance. Pas d’interaction relevée.",
    "11506-3": "Pansement refait, cicatrice propre. Patiente autonome pour la toilette.",
    "28653-4": "Aides en place : portage de repas, téléassistance. Demande d’allocation en cours.",
    "83901-9": "Entretien clinique et échelles d’anxiété. Retentissement modéré, soutien proposé chaque quinzaine.",
    "87273-9": "Vaccin contre la grippe, une injection, bien toléré.",
    "34133-9": "Épisode de soins de 2019, résolu sans séquelle.",
    "DOCPAT03": "Compte rendu remis par un confrère à l’étranger, ajouté par la patiente.",
}


def written_document(
    cast: Cast, structures: Mapping[str, str], patient: DemoPerson, written: Written, at: datetime
) -> IncomingDocument:
    """One of the story's documents about `patient`, written at that instant, as a reader gives it.

    What a hospital writes comes from the corpus, one case for each patient; the rest is in a few words.
    """
    author = cast.professionals[written.author]
    identifier = unique_id(cast.tenant_id, patient, written.key)
    replaced = unique_id(cast.tenant_id, patient, written.replaces) if written.replaces else None
    hiding = [code for field, code in _HIDING.items() if getattr(written, field)]
    if author.finess and written.type_code in KINDS and written.words is None:
        paper = Paper(
            type_code=written.type_code,
            title=written.title,
            patient=patient_of(patient),
            writer=writer_of(author),
            structure=Structure(finess=author.finess, name=structures.get(author.finess, "")),
            at=at,
            seed=cast.case_of(patient),
            unique_id=Ins(identifier, ""),
            set_id=unique_id(cast.tenant_id, patient, f"{(written.replaces or written.key).partition('-')[0]}/set"),
            version=2 if replaced else 1,
            replaces=Ins(replaced, "") if replaced else None,
            confidentiality=hiding[0] if hiding else "N",
        )
        if written.allergies:
            told = [Allergy(code=None, system=None, label=each, status="active") for each in written.allergies]
            paper = replace(paper, sections=sections_of(paper) + allergies_section(told))
        return read_cda(write(paper))
    return read_cda(
        _cda(
            patient,
            written.type_code,
            written.title,
            at,
            identifier=identifier,
            author=_author(author, at, structures.get(author.finess, "")),
            hiding=hiding,
            replaced=replaced,
            words=written.words,
        )
    )


def own_document(tenant_id: str, patient: DemoPerson, at: datetime) -> IncomingDocument:
    """A document that the patient adds herself."""
    author = (
        f'<author><time value="{at:%Y%m%d%H%M%S%z}"/><assignedAuthor>{_identity(patient)}</assignedAuthor></author>'
    )
    return read_cda(
        _cda(
            patient,
            "DOCPAT03",
            "Compte rendu reçu à l’étranger",
            at,
            identifier=unique_id(tenant_id, patient, "own"),
            author=author,
            hiding=[],
            replaced=None,
            words=None,
        )
    )


def _cda(
    patient: DemoPerson,
    type_code: str,
    title: str,
    at: datetime,
    *,
    identifier: str,
    author: str,
    hiding: list[str],
    replaced: str | None,
    words: str | None,
) -> bytes:
    kind = nomenclatures.document_type(type_code)
    label = kind.label if kind else title
    translations = "".join(f'<translation code="{code}" codeSystem="1.2.250.1.213.1.1.4.13"/>' for code in hiding)
    instant = f"{at:%Y%m%d%H%M%S%z}"
    parent = (
        f'<relatedDocument typeCode="RPLC"><parentDocument><id root="{replaced}"/></parentDocument></relatedDocument>'
        if replaced
        else ""
    )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<ClinicalDocument xmlns="urn:hl7-org:v3" classCode="DOCCLIN" moodCode="EVN">
<realmCode code="FR"/><typeId root="2.16.840.1.113883.1.3" extension="POCD_HD000040"/>
<templateId root="2.16.840.1.113883.2.8.2.1"/><templateId root="1.2.250.1.213.1.1.1.1"/>
<id root="{identifier}"/>
<code code={quoteattr(type_code)} codeSystem="2.16.840.1.113883.6.1" displayName={quoteattr(label)}/>
<title>{escape(title)}</title><effectiveTime value="{instant}"/>
<confidentialityCode code="N" codeSystem="2.16.840.1.113883.5.25">{translations}</confidentialityCode>
<languageCode code="fr-FR"/><versionNumber value="{2 if replaced else 1}"/>
<recordTarget><patientRole>{_identity(patient)}<patient>{_name(patient)}
<administrativeGenderCode code="{patient.sex}" codeSystem="2.16.840.1.113883.5.1"/>
<birthTime value="{patient.birth_date}"/></patient></patientRole></recordTarget>
{author}
{parent}
<documentationOf><serviceEvent><effectiveTime><low value="{instant}"/></effectiveTime></serviceEvent></documentationOf>
<component><structuredBody><component><section><title>{escape(title)}</title>
<text><paragraph>{escape(words or _NARRATIVES.get(type_code, title))}</paragraph></text>
</section></component></structuredBody></component>
</ClinicalDocument>
""".encode()


def _author(author: DemoProfessional, at: datetime, structure: str) -> str:
    organisation = (
        '<representedOrganization><id root="1.2.250.1.71.4.2.2" '
        f'extension="1{author.finess}"/><name>{escape(structure)}</name></representedOrganization>'
        if author.finess
        else ""
    )
    return f"""<author><time value="{at:%Y%m%d%H%M%S%z}"/><assignedAuthor>
<id root="1.2.250.1.71.4.2.1" extension="8{author.rpps}"/>
<code code="{_author_code(author)}" codeSystem="1.2.250.1.213.1.1.4.5" displayName={quoteattr(str(author.part))}/>
<assignedPerson><name><family>{escape(author.family_name)}</family><given>{escape(author.given_name)}</given></name>
</assignedPerson>{organisation}</assignedAuthor></author>"""


def _author_code(author: DemoProfessional) -> str:
    return f"G15_{author.profession}/{author.specialty}" if author.specialty else f"G15_{author.profession}"


def writer_of(author: DemoProfessional) -> Writer:
    """How the corpus names who wrote a paper."""
    return Writer(
        rpps=author.rpps,
        family_name=author.family_name,
        given_name=author.given_name,
        code=_author_code(author),
        label=str(author.part),
    )


def patient_of(person: DemoPerson) -> Patient:
    """How the corpus names whom a paper is about."""
    return Patient(
        identifiers=(person.ins,),
        family_name=person.family_name,
        given_names=(person.given_name,),
        birth_date=person.birth_date,
        sex=person.sex,
        birth_place=person.birth_place,
    )


def _identity(person: DemoPerson) -> str:
    return f'<id root="{person.ins.oid}" extension="{person.ins.value}"/>'


def _name(person: DemoPerson) -> str:
    return (
        f'<name><family qualifier="BR">{escape(person.family_name)}</family>'
        f"<given>{escape(person.given_name)}</given></name>"
    )
