"""The words of the matrix in French, as a lawyer writes them, both ways (`words.toml`)."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from enum import StrEnum
from importlib.resources import files
from typing import Any, TypeVar

from passerelle_policies.matrix import Concealment
from passerelle_policies.vocabulary import (
    Action,
    DocumentStatus,
    DossierState,
    Kind,
    Mode,
    PharmacyRecordState,
    RecordState,
    Relation,
    Role,
    Setting,
)

_Word = TypeVar("_Word", bound=StrEnum)
_NO_DOSSIER = "none"

_told: Mapping[str, Any] = tomllib.loads(files("passerelle_policies").joinpath("words.toml").read_text("utf-8"))


def _both_ways(vocabulary: type[_Word], told: Mapping[str, str]) -> tuple[dict[_Word, str], dict[str, _Word]]:
    french = {vocabulary(word): said for word, said in told.items()}
    return french, {said: word for word, said in french.items()}


ROLE_WORDS, ROLES = _both_ways(Role, _told["role"])
RELATION_WORDS, RELATIONS = _both_ways(Relation, _told["relation"])
SETTING_WORDS, SETTINGS = _both_ways(Setting, _told["setting"])
MODE_WORDS, MODES = _both_ways(Mode, _told["mode"])
STATUS_WORDS, STATUSES = _both_ways(DocumentStatus, _told["status"])
CONCEALMENT_WORDS, CONCEALMENTS = _both_ways(Concealment, _told["concealment"])

PHARMACY_STATES: Mapping[str, PharmacyRecordState] = {
    said: PharmacyRecordState(word) for word, said in _told["pharmacy_state"].items()
}
STATES: Mapping[str, RecordState | None] = dict[str, RecordState | None](PHARMACY_STATES) | {
    said: None if word == _NO_DOSSIER else DossierState(word) for word, said in _told["state"].items()
}
ACT_WORDS: Mapping[tuple[Kind, Action], str] = {
    (Kind(kind), Action(action)): said for kind, acts in _told["act"].items() for action, said in acts.items()
}
"""Every question there is, in French: a kind and an action that do not stand here together are never asked."""
ACTS: Mapping[str, tuple[Kind, Action]] = {said: act for act, said in ACT_WORDS.items()}

ANSWERS: Mapping[str, str | None] = {
    said: None if code == "ALLOWED" else code for code, said in _told["answer"].items()
}
"""The code of each answer; None when it is allowed."""


def answer_word(code: str | None) -> str:
    """An answer in one or two words, by its code; None is allowed."""
    return str(_told["answer"][code or "ALLOWED"])
