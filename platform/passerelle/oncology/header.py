"""The header of a clinical document as a value: whose it is, who made it, who took part, what it tells of.

Source: CI-SIS, volet Structuration minimale des documents de santé; volets FRCP and PPS.
"""

from __future__ import annotations

from dataclasses import dataclass

from passerelle.oncology.coded import (
    Address,
    Code,
    Element,
    Id,
    Moment,
    Name,
    Organisation,
    Participation,
    Telecom,
    Time,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """The patient of the document: identifiers (INS first), traits, where to reach him.

    `others` holds what else is said of him (relatives), `beside` what else stands beside him (`providerOrganization`).
    """

    ids: tuple[Id, ...] = ()
    addresses: tuple[Address, ...] = ()
    telecoms: tuple[Telecom, ...] = ()
    names: tuple[Name, ...] = ()
    sex: Code | None = None
    birth: Moment | None = None
    birthplace: Address | None = None
    others: tuple[Element, ...] = ()
    beside: tuple[Element, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the document answers: the registration of the case to a session (`inFulfillmentOf`)."""

    ids: tuple[Id, ...] = ()
    code: Code | None = None
    others: tuple[Element, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What the document tells of (`documentationOf`): the meeting itself, the topography, the morphology."""

    ids: tuple[Id, ...] = ()
    code: Code | None = None
    time: Time | None = None
    performers: tuple[Participation, ...] = ()
    others: tuple[Element, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Related:
    """Another document that this one replaces (RPLC), completes (APND) or transforms (XFRM)."""

    type_code: str
    ids: tuple[Id, ...] = ()
    code: Code | None = None
    set_id: Id | None = None
    version: int | None = None
    others: tuple[Element, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Encounter:
    """Where and when (`componentOf`); the identifiers of a board sheet are those of its network, board and session."""

    ids: tuple[Id, ...] = ()
    code: Code | None = None
    time: Time | None = None
    facility: Organisation | None = None
    others: tuple[Element, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Everything before the body of the document."""

    id: Id
    set_id: Id | None = None
    version: int | None = None
    code: Code | None = None
    title: str | None = None
    created: Moment | None = None
    confidentiality: Code | None = None
    language: str | None = None
    templates: tuple[Id, ...] = ()
    patient: Patient = Patient()
    authors: tuple[Participation, ...] = ()
    informants: tuple[Participation, ...] = ()
    custodian: Organisation | None = None
    legal_authenticator: Participation | None = None
    participants: tuple[Participation, ...] = ()
    orders: tuple[Order, ...] = ()
    acts: tuple[Act, ...] = ()
    related: tuple[Related, ...] = ()
    encounter: Encounter | None = None
    others: tuple[Element, ...] = ()
