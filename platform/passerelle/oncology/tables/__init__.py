"""The oncology record of one tenant. Every patient-scoped table leads its key with the patient."""

from __future__ import annotations

from passerelle.oncology.tables.boards import (
    board,
    board_member,
    board_seat,
    board_session,
    calendar_feed,
    coordination_centre,
)
from passerelle.oncology.tables.cases import board_case, board_sheet, case_attachment
from passerelle.oncology.tables.plans import care_plan, care_plan_reminder
from passerelle.oncology.tables.recourse import recourse_case, recourse_referral

__all__ = [
    "board",
    "board_case",
    "board_member",
    "board_seat",
    "board_session",
    "board_sheet",
    "calendar_feed",
    "care_plan",
    "care_plan_reminder",
    "case_attachment",
    "coordination_centre",
    "recourse_case",
    "recourse_referral",
]
