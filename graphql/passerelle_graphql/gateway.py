"""The gateway as a whole: what it needs."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from passerelle.kernel.boards_elsewhere import BoardsElsewhere, NoBoardsElsewhere
from passerelle.kernel.clock import Clock, SystemClock
from passerelle.kernel.context import (
    Homes,
    NoHomes,
    NothingElsewhere,
    NoTreatmentProtocols,
    RecordsElsewhere,
    TreatmentProtocols,
)
from passerelle.kernel.experts import ElsewhereExperts, NobodyAsked
from passerelle_graphql.authentication import Actors, KeptActors, Tenants, Verifier
from passerelle_graphql.committed import committed
from passerelle_graphql.compiler.building import NotCompiled
from passerelle_graphql.compiler.plans import Plans
from passerelle_graphql.deadlines import Deadlines
from passerelle_graphql.execution import Executor
from passerelle_graphql.following import Streams
from passerelle_graphql.health import Check
from passerelle_graphql.limits import Limits
from passerelle_graphql.persisted import Registered
from passerelle_graphql.preparation import Preparation, Prepared
from passerelle_graphql.schema import ROOTS, schema
from passerelle_tenants.federation.answering import Answers, nobody_answers

if TYPE_CHECKING:
    from passerelle_graphql.execution import GatewaySchema


@dataclass(frozen=True, kw_only=True)
class Gateway:
    """What the gateway is built of.

    `introspection` is for development: where it is off, the schema is read in `schema.graphql`. Where
    `registered_only`, the documents that are `registered` run and no other. `checks` are the components that must
    answer for `/health/ready`, by the name that the log gives them.
    """

    registry: Tenants
    verifier: Verifier
    directory: Actors
    clock: Clock = field(default_factory=SystemClock)
    treatment_protocols: TreatmentProtocols = field(default_factory=NoTreatmentProtocols)
    elsewhere_experts: ElsewhereExperts = field(default_factory=NobodyAsked)
    boards_elsewhere: BoardsElsewhere = field(default_factory=NoBoardsElsewhere)
    records_elsewhere: RecordsElsewhere = field(default_factory=NothingElsewhere)
    homes: Homes = field(default_factory=NoHomes)
    answers: Answers = nobody_answers
    limits: Limits = field(default_factory=Limits)
    introspection: bool = False
    executor: Executor = Executor.COMPILED
    registered: Registered = field(default_factory=Registered)
    registered_only: bool = False
    root_path: str = ""
    streams: Streams = field(default_factory=Streams)
    checks: Mapping[str, Check] = field(default_factory=dict)

    @cached_property
    def kept_actors(self) -> KeptActors:
        """Who came in a moment ago."""
        return KeptActors()

    @cached_property
    def deadlines(self) -> Deadlines:
        """Ends what takes too long."""
        return Deadlines(self.limits.seconds)

    @cached_property
    def preparation(self) -> Preparation:
        """Parses, measures, validates and prices; keeps what it did."""
        return Preparation(
            self.schema,
            self.limits,
            introspection=self.introspection,
            registered=self.registered,
            registered_only=self.registered_only,
        )

    @cached_property
    def plans(self) -> Plans | None:
        """The compiled operations; none where Strawberry answers everything."""
        if self.executor is Executor.STRAWBERRY:
            return None
        return Plans(self.schema, ROOTS, kept=self.limits.kept_operations)

    def warm(self) -> None:
        """Read and plan the operations of the house before anybody asks: a frame takes longer to make than to use."""
        self.preparation.warm()
        if self.plans is None:
            return
        for text in sorted(set(committed().values())):
            document = self.preparation.document(text)
            for operation in document.operations.values():
                with suppress(NotCompiled):
                    self.plans.plan(Prepared(document, operation, {}, {}, 0))

    @property
    def schema(self) -> GatewaySchema:
        return schema

    def path_of(self, tenant_id: str) -> str:
        """Where a tenant's addresses begin."""
        return f"{self.root_path}/{tenant_id}"
