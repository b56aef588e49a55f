"""An installation of one network over the databases of a test module, as commands find it: in the environment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from passerelle_ops.cli import main

if TYPE_CHECKING:
    from tests.conftest import Cloned


@asynccontextmanager
async def one_network(tenant: Cloned, directory: Cloned, folder: Path) -> AsyncIterator[pytest.MonkeyPatch]:
    """Until left; what else a test sets by the patch goes with it."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "DIRECTORY_URL": directory.url,
            "DIRECTORY_OWNER_URL": directory.owner_url,
            "TENANT_ONCOMIP_URL": tenant.url,
            "TENANT_ONCOMIP_OWNER_URL": tenant.owner_url,
            "BROKER_URL": "redis://127.0.0.1:1/0",
            "STATE": str(folder / "state"),
        }.items():
            patch.setenv(f"PASSERELLE_{name}", value)
        assert await asyncio.to_thread(main, ["tenant", "create", "oncomip"]) == 0
        yield patch
