"""The board sheet (fiche RCP) as a value: its edition, its header, its sections; no database, no format.

Source: CI-SIS, volet CANCER-FRCP 2022.01 and 2025.01 (document 34794-8, template 1.2.250.1.213.1.1.1.8). What each
section holds, by the names that the rest of the house uses, is in `sheet_fields`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from passerelle.oncology import as_json
from passerelle.oncology.coded import Id, Participation, Section
from passerelle.oncology.header import Header

Edition = Literal["2022.01", "2025.01"]
NEWEST: Final[Edition] = "2025.01"

NETWORK_OID: Final = "1.2.250.1.161.1.20.1.1"
"""The regional cancer network (RRC)."""
MANAGER_OID: Final = "1.2.250.1.161.1.20.2.1"
"""Who manages the board (gestionnaire de RCP)."""
BOARD_OID: Final = "1.2.250.1.161.1.20.3.1"
"""The board in the national directory (ANRCP)."""
SESSION_OID: Final = "1.2.250.1.213.1.1.9"

CARE_TEAM: Final = "353"
CORRESPONDENT: Final = "CORRE"
ATTENDING: Final = "PCP"
_FUNCTIONS: Final = frozenset({CARE_TEAM, CORRESPONDENT, ATTENDING})


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardSheet:
    """A board sheet. Two sheets that say the same are equal."""

    edition: Edition
    header: Header
    sections: tuple[Section, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """What the column `board_sheet.content` keeps."""
        return as_json.dumped(self)

    @classmethod
    def from_json(cls, given: object) -> BoardSheet:
        """The sheet that `to_json` gave. Refused: SHEET_MALFORMED."""
        return as_json.loaded(cls, given)

    @property
    def coordinator(self) -> Participation | None:
        """Who coordinates the board (RESP)."""
        return next(self._participants("RESP"), None)

    @property
    def requester(self) -> Participation | None:
        """Who asked for the opinion (REFB)."""
        return next(self._participants("REFB"), None)

    @property
    def presenter(self) -> Participation | None:
        """Who presented the case (PRF without a function of his own)."""
        return next((each for each in self._participants("PRF") if _function(each) not in _FUNCTIONS), None)

    @property
    def attending_physician(self) -> Participation | None:
        """The médecin traitant (INF, PCP), or that he is not known (`null_flavor`)."""
        return next((each for each in self._participants("INF") if _function(each) == ATTENDING), None)

    @property
    def members_present(self) -> tuple[Participation, ...]:
        """Who was there and counts for the quorum (PRF, 353)."""
        return tuple(each for each in self._participants("PRF") if _function(each) == CARE_TEAM)

    @property
    def correspondents(self) -> tuple[Participation, ...]:
        """Who is to receive the sheet (CON)."""
        return tuple(self._participants("CON"))

    @property
    def network_id(self) -> Id | None:
        """The regional cancer network."""
        return self._board_id(NETWORK_OID)

    @property
    def manager_id(self) -> Id | None:
        """Who manages the board."""
        return self._board_id(MANAGER_OID)

    @property
    def board_id(self) -> Id | None:
        """The board."""
        return self._board_id(BOARD_OID)

    @property
    def session_id(self) -> Id | None:
        """The session of the board."""
        return self._board_id(SESSION_OID)

    def _participants(self, type_code: str) -> Iterator[Participation]:
        return (each for each in self.header.participants if each.type_code == type_code)

    def _board_id(self, oid: str) -> Id | None:
        encounter = self.header.encounter
        return None if encounter is None else next((each for each in encounter.ids if each.root == oid), None)


def _function(participation: Participation) -> str | None:
    return participation.function.code if participation.function else None
