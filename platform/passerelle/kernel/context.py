"""What a use case is told about the request it serves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from passerelle.kernel.boards_elsewhere import BoardsElsewhere, NoBoardsElsewhere
from passerelle.kernel.directory import Directory, EmptyDirectory
from passerelle.kernel.errors import TryLater
from passerelle.kernel.experts import ElsewhereExperts, NobodyAsked
from passerelle.kernel.homes import SaidHome
from passerelle.kernel.merges import Merge, not_merged
from passerelle.kernel.records_elsewhere import Part, RecordElsewhere, Span
from passerelle_policies.vocabulary import Mode, Purpose

if TYPE_CHECKING:
    from uuid import UUID

    from passerelle.kernel.actors import Actor
    from passerelle.kernel.clock import Clock
    from passerelle.kernel.contents import Contents
    from passerelle.kernel.database import Database
    from passerelle.kernel.keys import Keys


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """One regional network as a request sees it: its database, its contents, its keys, its rules.

    `is_test` lets the test and demo INS OIDs in. `parameters` are the tenant's overrides of the rule pack,
    by parameter name; `identity_status_when_unsaid` maps an INS OID to the status that its presence in a
    document is worth when the document does not say (see docs/decisions). `opens_dossier`: feeding may open
    the record that is missing, the feeding structure having declared the patient's consent. `merge` says whether the
    network was merged into another.
    """

    id: str
    name: str
    is_test: bool
    database: Database
    contents: Contents
    keys: Keys
    parameters: Mapping[str, int | str | bool] = field(default_factory=dict)
    identity_status_when_unsaid: Mapping[str, str] = field(default_factory=dict)
    opens_dossier: bool = False
    #: Asked at each act: a running process hears of a merge within seconds.
    merge: Callable[[], Merge | None] = not_merged


class TreatmentProtocols(Protocol):
    """The substances of the protocols that a patient is under; the oncology domain answers, when it is there.

    Who asks gets names only, and tells nobody which: a warning says that there is an overlap, not with what. Whoever
    answers leaves out what the patient masked, or keeps from this actor: that gives no warning, and no other trace.
    """

    async def substances(self, context: Context, patient_id: UUID, /) -> frozenset[str]:
        """Folded names (`pharmacy.reference.names`) of what the running protocols give."""
        ...


class NoTreatmentProtocols:
    """Knows of none: what a request has that was given nobody to ask."""

    async def substances(self, _context: Context, _patient_id: UUID, /) -> frozenset[str]:
        return frozenset()


class RecordsElsewhere(Protocol):
    """Asks the patient's home, which decides by its own rules on who asks; and the network that keeps a content."""

    async def record(self, context: Context, patient_id: UUID, asked: Mapping[str, Any], /) -> RecordElsewhere:
        """Open the record where it is at home, within the budget of a query. `asked`: filter, first, after."""
        ...

    async def about(self, context: Context, network: str, document_id: UUID, continues: bool, /) -> Mapping[str, Any]:
        """`mime_type`, `sha256` and `size` of a content, decided upon and journalled there, unless it `continues`.

        `Refused` with DOCUMENT_UNKNOWN as there; `TryLater` with NETWORK_AWAY when it does not answer.
        """
        ...

    def content(self, context: Context, network: str, document_id: UUID, span: Span, /) -> AsyncIterator[bytes]:
        """The octets of a span of a content, under the decision of the network that gives them; refused as `about`."""
        ...


class NothingElsewhere:
    """Reaches nobody: what a request has that was given no other network."""

    async def record(self, context: Context, _patient_id: UUID, _asked: Mapping[str, Any], /) -> RecordElsewhere:
        here = Part(network=context.tenant.id, name=context.tenant.name, state="answered", as_of=context.clock.now())
        return RecordElsewhere(home=None, documents=(), has_next=False, total=None, since=None, parts=(here,))

    async def about(
        self, _context: Context, network: str, _document_id: UUID, _continues: bool, /
    ) -> Mapping[str, Any]:
        raise TryLater("NETWORK_AWAY", retry_after=30, network=network)

    async def content(
        self, _context: Context, network: str, _document_id: UUID, _span: Span, /
    ) -> AsyncIterator[bytes]:
        raise TryLater("NETWORK_AWAY", retry_after=30, network=network)
        yield b""


class Homes(Protocol):
    """Has the patient, or an officer, say that his home is the network of the request, for all networks to know."""

    async def declare(self, context: Context, patient_id: UUID, /) -> SaidHome:
        """Refused: ACCESS_REFUSED; DOSSIER_NOT_OPEN, PATIENT_WITHOUT_INS, HOME_HANDED, HOME_DISPUTED; HOME_BUSY."""
        ...


class NoHomes:
    """Tells nobody: what a request has that was given no directory of homes."""

    async def declare(self, _context: Context, _patient_id: UUID, /) -> SaidHome:
        raise TryLater("HOME_BUSY", retry_after=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One request: who, where, when, why and how. Immutable; it holds no connection."""

    tenant: Tenant
    actor: Actor
    clock: Clock
    request_id: str
    purpose: Purpose = Purpose.CARE
    mode: Mode = Mode.NORMAL
    directory: Directory = field(default_factory=EmptyDirectory)
    treatment_protocols: TreatmentProtocols = field(default_factory=NoTreatmentProtocols)
    elsewhere_experts: ElsewhereExperts = field(default_factory=NobodyAsked)
    boards_elsewhere: BoardsElsewhere = field(default_factory=NoBoardsElsewhere)
    records_elsewhere: RecordsElsewhere = field(default_factory=NothingElsewhere)
    homes: Homes = field(default_factory=NoHomes)
