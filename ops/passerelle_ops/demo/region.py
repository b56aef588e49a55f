"""A region in one command: servers, four networks, their people, the issuer of demo tokens, web and worker.

`demonstrate` prints who can sign in and what each may see, or runs the guided tour; `serve_networks` is the same
house without the people.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.progress import Progress, TaskID

from passerelle.kernel.errors import Conflict, InvalidInput
from passerelle_ops.demo.casting import casts
from passerelle_ops.demo.settling import is_settled, settle_all
from passerelle_ops.installation import Installation
from passerelle_ops.settings import Settings
from passerelle_ops.stack.processes import asgi, web, worker
from passerelle_ops.stack.servers import Stack
from passerelle_ops.stack.state import StackInfo, StateFolder, is_free
from passerelle_ops.stack.supervisor import Process, Supervisor
from passerelle_ops.terminal import notices, output, progress, remark
from passerelle_tenants.registry import Network, load_networks

_ISSUER_PORT: Final = 8090


def demonstrate(settings: Settings, *, port: int | None = None, check: bool = False, durable: bool = True) -> int:
    """Run the demo region until Ctrl-C, or with `check` until the guided tour is over; the exit code.

    Refused: STATE_IN_USE, PORT_TAKEN, DEMO_ISSUER_IN_PRODUCTION, and what setting a network up refuses.
    """
    settings = _with_port(settings, port)
    if settings.environment == "production":
        raise InvalidInput("DEMO_ISSUER_IN_PRODUCTION")
    _refuse_taken_port(settings)

    def ready(info: StackInfo) -> int | None:
        if check:
            from passerelle_ops.demo.tour import take_tour

            return take_tour(settings, info)
        from passerelle_ops.demo.welcome import welcome

        output().print(welcome(settings, info))
        return None

    with Stack(settings.state, durable=durable, settings=settings) as stack:
        networks = load_networks(settings.networks)
        with _steps() as bar:
            info = _servers(stack, bar)
            asyncio.run(_set_up(settings, info, networks, bar))
            _people(settings, list(networks), bar)
        remark("PROCESSES_STARTING")
        return Supervisor(stack, _processes(stack, settings)).run(ready)


def serve_networks(settings: Settings, *, port: int | None = None) -> int:
    """Run the platform with the networks that are declared, until Ctrl-C; the exit code.

    Refused: ISSUER_MISSING in production without PASSERELLE_ISSUER, and as `demonstrate`.
    """
    settings = _with_port(settings, port)
    if settings.issuer is None and settings.environment == "production":
        raise InvalidInput("ISSUER_MISSING")
    _refuse_taken_port(settings)

    def ready(info: StackInfo) -> None:
        remark("SERVING", url=info.url("web"))

    with Stack(settings.state, settings=settings) as stack:
        with _steps() as bar:
            info = _servers(stack, bar)
            asyncio.run(_set_up(settings, info, load_networks(settings.networks), bar))
        if settings.issuer is None:
            remark("DEMO_ISSUER_STANDS_IN")
        remark("PROCESSES_STARTING")
        return Supervisor(stack, _processes(stack, settings)).run(ready)


def _with_port(settings: Settings, port: int | None) -> Settings:
    return settings if port is None else settings.model_copy(update={"port": port})


def _refuse_taken_port(settings: Settings) -> None:
    """Before minutes go into what could not serve; when our own platform holds it, STATE_IN_USE says more."""
    if settings.port is not None and not is_free(settings.port) and StateFolder(settings.state).running() is None:
        raise Conflict("PORT_TAKEN", port=settings.port)


@contextmanager
def _steps() -> Iterator[Progress]:
    if not notices().is_terminal:
        remark("PREPARING")
    try:
        with progress() as bar:
            yield bar
    except KeyboardInterrupt:
        remark("STOPPING")
        raise


def _servers(stack: Stack, bar: Progress) -> StackInfo:
    task = bar.add_task("Serveurs (PostgreSQL, Valkey)", total=1)
    info = stack.start_servers()
    bar.update(task, completed=1)
    return info


async def _set_up(settings: Settings, info: StackInfo, networks: dict[str, Network], bar: Progress) -> None:
    task = bar.add_task("Annuaire et réseaux", total=len(networks) + 1)
    installation = Installation(settings, info)
    try:
        await installation.prepare_directory()
        bar.advance(task)
        for network in networks.values():
            await installation.set_up(network)
            bar.advance(task)
    finally:
        await installation.close()


def _people(settings: Settings, tenants: list[str], bar: Progress) -> None:
    total = sum(len(each.households) for each in casts(settings, tenants).values())
    task: TaskID = bar.add_task("Patients et documents", total=total)
    if is_settled(settings, tenants):
        bar.update(task, completed=total)
        return
    settle_all(settings, tenants, lambda _: bar.advance(task))


def _processes(stack: Stack, settings: Settings) -> list[Process]:
    """The issuer (unless another is named), web and worker; each is told who issues the tokens."""
    if settings.issuer is not None:
        return [web(stack), worker(stack)]
    os.environ["PASSERELLE_ISSUER"] = f"http://127.0.0.1:{stack.port('issuer', _ISSUER_PORT)}"
    os.environ["PASSERELLE_OFFICER_ISSUER"] = os.environ["PASSERELLE_ISSUER"]
    issuer = asgi(stack, "issuer", "passerelle_ops.demo.issuer:create_app", ready="/.well-known/openid-configuration")
    return [issuer, web(stack), worker(stack)]
