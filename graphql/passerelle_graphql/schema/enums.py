"""The closed lists of words that the graph shows, each with what it means. Import them from here, never from below:
Strawberry must have met an enumeration before the first type that uses it."""

from __future__ import annotations

import strawberry

from passerelle.audit.patterns import Pattern as Pattern
from passerelle.dossier.emergency_reviews import Finding as Finding
from passerelle.dossier.heirs import HeirLink as HeirLink
from passerelle.dossier.heirs import HeirMotive as HeirMotive
from passerelle.dossier.lifecycle import Basis as Basis
from passerelle.dossier.publishing import Filing as Filing
from passerelle.dossier.representation import RepresentationBasis as RepresentationBasis
from passerelle.dossier.team_consents import InformedHow as InformedHow
from passerelle.identities.ins import IdentityStatus as IdentityStatus
from passerelle.notices.kinds import NoticeKind as NoticeKind
from passerelle.oncology import plan_items
from passerelle.oncology.attachments import AttachmentNature as AttachmentNature
from passerelle.oncology.boards import BoardKind as BoardKind
from passerelle.oncology.boards import BoardScope as BoardScope
from passerelle.oncology.boards import BoardState as BoardState
from passerelle.oncology.cases import CaseDiscussion as CaseDiscussion
from passerelle.oncology.cases import CaseState as CaseState
from passerelle.oncology.members import Duty as Duty
from passerelle.oncology.plan_versions import CarePlanKind as CarePlanKind
from passerelle.oncology.plan_versions import CarePlanState as CarePlanState
from passerelle.oncology.quorum import QuorumState as QuorumState
from passerelle.oncology.seats import SeatAnswer as SeatAnswer
from passerelle.oncology.seats import SeatDuty as SeatDuty
from passerelle.oncology.sessions import SessionState as SessionState
from passerelle.oncology.sheets import SheetState as SheetState
from passerelle.oncology.specialties import Specialty as Specialty
from passerelle.pharmacy.dispensing import DispensationStatus as DispensationStatus
from passerelle.pharmacy.presence import PresenceProof as PresenceProof
from passerelle.pharmacy.product_classes import ProductClass as ProductClass
from passerelle.pharmacy.recalls import RecallKind as RecallKind
from passerelle.pharmacy.recalls import RecallLevel as RecallLevel
from passerelle.pharmacy.recalls import RecallState as RecallState
from passerelle.pharmacy.reference.sources import ReferenceOrigin as ReferenceOrigin
from passerelle.pharmacy.reference.sources import ShortageStatus as ShortageStatus
from passerelle.pharmacy.reference.sources import SubstanceNature as SubstanceNature
from passerelle.pharmacy.vaccines import VaccineStatus as VaccineStatus
from passerelle_policies.vocabulary import ActorKind as ActorKind
from passerelle_policies.vocabulary import DocumentStatus as DocumentStatus
from passerelle_policies.vocabulary import DossierState as DossierState
from passerelle_policies.vocabulary import Mode as Mode
from passerelle_policies.vocabulary import PharmacyRecordState as PharmacyRecordState
from passerelle_policies.vocabulary import Purpose as Purpose
from passerelle_policies.vocabulary import Relation as Relation
from passerelle_tenants.federation.manifest import SourceState as SourceState
from passerelle_tenants.locator import HomeState as HomeState

CarePlanLineKind = plan_items.Kind

strawberry.enum(ActorKind, description="Ce qu'est le porteur d'une demande.")
strawberry.enum(
    Pattern,
    name="AccessPattern",
    description="Ce qui rend un accès inhabituel : un signe, jamais une preuve.",
)
strawberry.enum(
    SourceState,
    description="Ce qu'il en est de la part d'un réseau : il a répondu, son index dit jusqu'où, il refuse, il n'a pas"
    " répondu à temps, ou il n'a pas été interrogé. Une liste vide ne veut jamais dire « en panne ».",
)
strawberry.enum(
    HomeState,
    description="Ce qui est sûr du réseau d'attache : présumé (le premier où un dossier fut ouvert), déclaré, sur le"
    " point de changer, en train de changer, ou contesté (un délégué tranche).",
)
strawberry.enum(Purpose, description="Pourquoi.")
strawberry.enum(Mode, description="Comment l'acteur entre : normal, bris de glace, centre 15.")
strawberry.enum(Relation, description="Ce qui lie l'acteur au patient.")
strawberry.enum(DossierState, description="Le cycle de vie du dossier.")
strawberry.enum(DocumentStatus, description="Le statut d'un document.")
strawberry.enum(IdentityStatus, description="La confiance dans une identité (RNIV).")
strawberry.enum(Basis, description="Ce sur quoi repose un acte.")
strawberry.enum(Finding, description="Ce que l'examen d'un accès en urgence a trouvé.")
strawberry.enum(Filing, description="Ce qu'il est advenu d'un document donné.")
strawberry.enum(RepresentationBasis, description="Ce sur quoi reposent les pouvoirs d'un représentant légal.")
strawberry.enum(HeirLink, description="Ce qui lie quelqu'un à une personne décédée.")
strawberry.enum(HeirMotive, description="Les trois motifs de la loi (L.1110-4 V).")
strawberry.enum(InformedHow, description="Comment le patient a été informé avant de consentir.")
strawberry.enum(RecallKind, description="Un rappel de produit, ou une alerte à toutes les pharmacies.")
strawberry.enum(RecallLevel, description="Urgent : il arrête les dispensations tant qu'il attend.")
strawberry.enum(RecallState, description="Où en est un rappel dans une pharmacie.")
strawberry.enum(NoticeKind, description="Ce dont un avis parle.")
strawberry.enum(PharmacyRecordState, description="Où en est un dossier pharmaceutique.")
strawberry.enum(PresenceProof, description="Ce que la personne a présenté au comptoir.")
strawberry.enum(DispensationStatus, description="Si une version d'une dispensation tient toujours.")
strawberry.enum(ProductClass, description="La classe d'un produit dispensé : chacune a sa fenêtre.")
strawberry.enum(VaccineStatus, description="Ce qui peut être dit d'une vaccination.")
strawberry.enum(ReferenceOrigin, name="ReferenceOrigin", description="D'où vient une liste.")
strawberry.enum(ShortageStatus, description="La disponibilité d'un médicament, selon l'ANSM.")
strawberry.enum(SubstanceNature, description="Substance active, ou fraction thérapeutique.")
strawberry.enum(BoardKind, description="Le type d'une RCP.")
strawberry.enum(BoardScope, description="Ce dont une RCP discute : un appareil, ou ce qui est commun à tous.")
strawberry.enum(BoardState, description="Où en est une RCP : déclarée, validée par le réseau, suspendue.")
strawberry.enum(Duty, name="BoardDuty", description="La charge de quelqu'un dans une RCP.")
strawberry.enum(Specialty, name="BoardSpecialty", description="Une spécialité, comme un quorum la compte.")
strawberry.enum(SeatDuty, description="À quel titre quelqu'un siège à une session.")
strawberry.enum(SeatAnswer, description="Si l'on attend quelqu'un à une session.")
strawberry.enum(QuorumState, description="Le quorum d'une session (jdv-statut-quorum-cisis).")
strawberry.enum(SessionState, name="BoardSessionState", description="Où en est une session de RCP.")
strawberry.enum(CaseState, description="Où en est un cas inscrit à une session.")
strawberry.enum(
    CaseDiscussion,
    description="DISCUSSED : discuté. REGISTERED : enregistré seulement, un standard s'y appliquant sans conteste.",
)
strawberry.enum(SheetState, name="BoardSheetState", description="Où en est une version d'une fiche RCP.")
strawberry.enum(AttachmentNature, description="Ce qu'un document est à un cas.")
strawberry.enum(CarePlanKind, name="CarePlanKind", description="Un programme de soins (PPS), ou ce qui le suit (PPAC).")
strawberry.enum(CarePlanState, name="CarePlanState", description="DRAFT : en cours. ISSUED : remis, et ne change plus.")
strawberry.enum(CarePlanLineKind, name="CarePlanLineKind", description="Ce qu'est une ligne d'un programme de soins.")
