"""The schema: one module for each domain, assembled here. Its SDL is committed as `schema.graphql`."""

from __future__ import annotations

import strawberry

from passerelle_graphql.execution import AlreadyPrepared, GatewaySchema, InOrder
from passerelle_graphql.problems import HANDLERS
from passerelle_graphql.schema.authorizations import AUTHORIZATIONS, AuthorizationsMutation, AuthorizationsQuery
from passerelle_graphql.schema.board_activity import BOARD_ACTIVITY, BoardActivityQuery
from passerelle_graphql.schema.board_agenda import BOARD_SESSION, BoardAgendaQuery
from passerelle_graphql.schema.board_cases import (
    ATTACHABLE_DOCUMENTS,
    BOARD_CASES,
    BoardCaseMutation,
    BoardCaseQuery,
)
from passerelle_graphql.schema.board_declarations import BoardMutation
from passerelle_graphql.schema.board_meetings import BoardSessionMutation
from passerelle_graphql.schema.board_sessions import (
    BOARD_SESSIONS,
    CONVENED_BOARD_SESSION,
    MY_BOARD_SESSIONS,
    BoardSessionQuery,
)
from passerelle_graphql.schema.board_sheets import BOARD_SHEET, BoardSheetMutation, BoardSheetQuery
from passerelle_graphql.schema.boards import BOARD, BOARDS, COORDINATION_CENTRES, BoardQuery
from passerelle_graphql.schema.care_plan_acts import CarePlanMutation
from passerelle_graphql.schema.care_plans import CARE_PLANS, CarePlanQuery
from passerelle_graphql.schema.death import DeathMutation
from passerelle_graphql.schema.dispensation_documents import DispensationDocumentsMutation
from passerelle_graphql.schema.dispensing import DispensingMutation
from passerelle_graphql.schema.dispensing_checks import (
    DISPENSING_CHECKS,
    DispensingChecksMutation,
    DispensingChecksQuery,
)
from passerelle_graphql.schema.dispensing_history import DispensingHistoryQuery
from passerelle_graphql.schema.dispensing_history_root import DISPENSING_HISTORY
from passerelle_graphql.schema.documents import DOCUMENT, DocumentQuery
from passerelle_graphql.schema.dossiers import DOSSIER, DossierMutation, DossierQuery
from passerelle_graphql.schema.emergencies import (
    EMERGENCIES_TO_REVIEW,
    EMERGENCY_ACCESSES,
    EmergencyMutation,
    EmergencyQuery,
)
from passerelle_graphql.schema.equivalent_results import EQUIVALENT_RESULTS, EquivalentResultsQuery
from passerelle_graphql.schema.feeding import FeedingMutation
from passerelle_graphql.schema.homes import HomeMutation
from passerelle_graphql.schema.journal import JOURNAL, JournalQuery
from passerelle_graphql.schema.lent_cases import LentCaseQuery
from passerelle_graphql.schema.me import ME, MeQuery
from passerelle_graphql.schema.medicines import MEDICINE, MEDICINES, MedicinesQuery
from passerelle_graphql.schema.notices import NOTICES, NoticesMutation, NoticesQuery
from passerelle_graphql.schema.oversight import JOURNAL_SEARCH, UNUSUAL_ACCESSES, OversightQuery
from passerelle_graphql.schema.patients import PATIENT, PatientMutation, PatientQuery
from passerelle_graphql.schema.pharmacy_records import PHARMACY_RECORD, PharmacyRecordMutation, PharmacyRecordQuery
from passerelle_graphql.schema.portability import (
    ERASURE_CERTIFICATE,
    RECORD_EXPORT,
    PortabilityMutation,
    PortabilityQuery,
)
from passerelle_graphql.schema.recalls import CONCERNED_PATIENTS, RECALL_FOLLOW_UP, RECALLS, RecallMutation, RecallQuery
from passerelle_graphql.schema.records_elsewhere import RecordElsewhereQuery
from passerelle_graphql.schema.recourse import RECOURSE_REFERRALS, RecourseMutation, RecourseQuery
from passerelle_graphql.schema.representation import RepresentationMutation
from passerelle_graphql.schema.subscriptions import Subscription
from passerelle_graphql.schema.teams import CARE_TEAM, TeamMutation, TeamQuery
from passerelle_graphql.schema.under_way import UnderWayQuery
from passerelle_graphql.schema.values import CONFIG
from passerelle_graphql.schema.visibility import VisibilityMutation


@strawberry.type(description="Lire. Chaque lecture est au journal du patient.")
class Query(
    MeQuery,
    MedicinesQuery,
    PatientQuery,
    DossierQuery,
    DocumentQuery,
    RecordElsewhereQuery,
    UnderWayQuery,
    JournalQuery,
    OversightQuery,
    AuthorizationsQuery,
    TeamQuery,
    EmergencyQuery,
    NoticesQuery,
    PortabilityQuery,
    PharmacyRecordQuery,
    DispensingHistoryQuery,
    EquivalentResultsQuery,
    DispensingChecksQuery,
    RecallQuery,
    BoardActivityQuery,
    RecourseQuery,
    LentCaseQuery,
    BoardQuery,
    BoardSessionQuery,
    BoardAgendaQuery,
    BoardCaseQuery,
    BoardSheetQuery,
    CarePlanQuery,
):
    pass


@strawberry.type(description="Agir. Chaque acte est une transaction, journal compris.")
class Mutation(
    PatientMutation,
    DossierMutation,
    HomeMutation,
    FeedingMutation,
    VisibilityMutation,
    AuthorizationsMutation,
    TeamMutation,
    RepresentationMutation,
    DeathMutation,
    EmergencyMutation,
    NoticesMutation,
    PortabilityMutation,
    PharmacyRecordMutation,
    DispensingMutation,
    DispensingChecksMutation,
    DispensationDocumentsMutation,
    RecallMutation,
    RecourseMutation,
    BoardMutation,
    BoardSessionMutation,
    BoardCaseMutation,
    BoardSheetMutation,
    CarePlanMutation,
):
    pass


schema = GatewaySchema(
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    config=CONFIG,
    extensions=[AlreadyPrepared],
    exception_handlers=HANDLERS,
    execution_context_class=InOrder,
)

#: The read roots that compile.
ROOTS = (
    DOSSIER,
    DOCUMENT,
    JOURNAL,
    AUTHORIZATIONS,
    ME,
    MEDICINE,
    MEDICINES,
    PATIENT,
    NOTICES,
    EMERGENCY_ACCESSES,
    EMERGENCIES_TO_REVIEW,
    CARE_TEAM,
    RECORD_EXPORT,
    ERASURE_CERTIFICATE,
    PHARMACY_RECORD,
    DISPENSING_HISTORY,
    EQUIVALENT_RESULTS,
    DISPENSING_CHECKS,
    RECALLS,
    RECALL_FOLLOW_UP,
    CONCERNED_PATIENTS,
    JOURNAL_SEARCH,
    UNUSUAL_ACCESSES,
    BOARDS,
    BOARD,
    COORDINATION_CENTRES,
    BOARD_SESSIONS,
    MY_BOARD_SESSIONS,
    CONVENED_BOARD_SESSION,
    BOARD_SESSION,
    BOARD_CASES,
    ATTACHABLE_DOCUMENTS,
    BOARD_SHEET,
    CARE_PLANS,
    BOARD_ACTIVITY,
    RECOURSE_REFERRALS,
)
