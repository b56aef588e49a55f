"""The order that the HL7 schema gives to the children of an element, for those kept whole to find their place."""

from __future__ import annotations

from typing import Final


def _ranks(*names: str) -> dict[str, int]:
    return {name: rank for rank, name in enumerate(names)}


DOCUMENT: Final = _ranks(
    "realmCode", "typeId", "templateId", "id", "code", "title", "effectiveTime", "confidentialityCode", "languageCode",
    "setId", "versionNumber", "copyTime", "recordTarget", "author", "dataEnterer", "informant", "custodian",
    "informationRecipient", "legalAuthenticator", "authenticator", "participant", "inFulfillmentOf", "documentationOf",
    "relatedDocument", "authorization", "componentOf",
)  # fmt: skip
PATIENT_ROLE: Final = _ranks("id", "addr", "telecom", "patient", "providerOrganization")
PATIENT: Final = _ranks(
    "templateId", "id", "name", "administrativeGenderCode", "birthTime", "maritalStatusCode",
    "religiousAffiliationCode", "raceCode", "ethnicGroupCode", "guardian", "birthplace", "languageCommunication",
)  # fmt: skip
HEADER_ACT: Final = _ranks(
    "templateId", "id", "code", "text", "setId", "versionNumber", "effectiveTime", "dischargeDispositionCode",
    "priorityCode", "responsibleParty", "performer", "encounterParticipant", "location",
)  # fmt: skip
SECTION: Final = _ranks(
    "realmCode", "typeId", "templateId", "id", "code", "title", "text", "confidentialityCode", "languageCode",
    "subject", "author", "informant", "entry", "component",
)  # fmt: skip
STATEMENT: Final = _ranks(
    "realmCode", "typeId", "templateId", "id", "code", "derivationExpr", "text", "statusCode", "effectiveTime",
    "priorityCode", "repeatNumber", "independentInd", "quantity", "languageCode", "expectedUseTime", "routeCode",
    "approachSiteCode", "doseQuantity", "rateQuantity", "maxDoseQuantity", "administrationUnitCode", "value",
    "interpretationCode", "methodCode", "targetSiteCode", "subject", "specimen", "consumable", "product", "performer",
    "author", "informant", "participant", "entryRelationship", "reference", "precondition", "referenceRange",
    "component",
)  # fmt: skip
