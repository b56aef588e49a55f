"""A tenant over a real database, and the little that the journal and the outbox need to know of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from passerelle.kernel.actors import Actor
from passerelle.kernel.clock import SetClock
from passerelle.kernel.contents import Contents
from passerelle.kernel.context import Context, Tenant
from passerelle.kernel.keys import Keys
from passerelle_policies.vocabulary import ActorKind
from tests.conftest import Cloned


@pytest.fixture
def tenant(tenant_database: Cloned, tmp_path: Path) -> Tenant:
    return Tenant(
        id="essai",
        name="Réseau d'essai",
        is_test=True,
        database=tenant_database.database,
        contents=Contents((tmp_path / "contents").as_uri()),
        keys=Keys.create(tmp_path / "tenant.key"),
    )


@pytest.fixture
def context(tenant: Tenant, clock: SetClock) -> Context:
    actor = Actor(kind=ActorKind.PROFESSIONAL, id="99900000001", name="Dr Essai", profession="10")
    return Context(tenant=tenant, actor=actor, clock=clock, request_id="essai")
