"""A tenant over a real database, and the little that the journal and the outbox need to know of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from passerelle.kernel.actors import Actor
from passerelle.kernel.clock import SetClock
from passerelle.kernel.contents import Contents
from passerelle.kernel.context import Context, Tenant
from passerelle.kernel.keys import KEY_BYTES, Keys
from passerelle_policies.vocabulary import ActorKind
from tests.audit.sealed import Sealing
from tests.conftest import Cloned


@pytest.fixture
def tenant(tenant_database: Cloned, tmp_path: Path) -> Tenant:
    return Tenant(
        id="essai",
        name="Réseau d'essai",
        is_test=True,
        database=tenant_database.database,
        contents=Contents((tmp_path / "contents").as_uri()),
        keys=Keys(bytes(range(KEY_BYTES))),  # one for all the tests of a module: they share its sealed journal,
    )


@pytest.fixture
def context(tenant: Tenant, clock: SetClock) -> Context:
    actor = Actor(kind=ActorKind.PROFESSIONAL, id="99900000001", name="Dr Essai", profession="10")
    return Context(tenant=tenant, actor=actor, clock=clock, request_id="essai")


@pytest.fixture
def sealing(context: Context, tenant_database: Cloned) -> Sealing:
    """A journal with nothing in it."""
    sealing = Sealing(context, tenant_database)
    sealing.empty()
    return sealing
