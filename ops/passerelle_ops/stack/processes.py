"""The processes of an installation, as the supervisor runs them: web and worker; others are made the same way."""

from __future__ import annotations

import http.client
import os
import sys
from collections.abc import Callable, Mapping

from passerelle.kernel.errors import Conflict
from passerelle_ops.stack.children import Command
from passerelle_ops.stack.one_tenant import environment_of_one
from passerelle_ops.stack.servers import Stack
from passerelle_ops.stack.state import is_free
from passerelle_ops.stack.supervisor import Process

_WEB_PORT = 8000


def web(stack: Stack) -> Process:
    """The gateway, on `PASSERELLE_PORT` (refused with PORT_TAKEN) or a free port of the loopback."""
    settings = stack.settings
    if settings.port is not None:
        if not is_free(settings.port):
            raise Conflict("PORT_TAKEN", port=settings.port)
        stack.ports["web"] = settings.port
    else:
        stack.port("web", _WEB_PORT)
    return gateway(stack, "web", host=settings.host)


def gateway(stack: Stack, name: str, *, host: str = "127.0.0.1") -> Process:
    """A gateway on the port of that name, a server for each core; ready once all of them listen and one answers."""
    port = stack.ports[name] if name in stack.ports else stack.port(name)
    said = stack.state.path / f"{name}.ready"
    said.unlink(missing_ok=True)
    more = {
        "PASSERELLE_READY_FILE": str(said),
        "PASSERELLE_FEDERATION_URL": stack.settings.federation_url or f"http://127.0.0.1:{port}",
    }
    answer = answers(port, "/health/ready")
    return Process(
        name=name,
        command=Command(
            argv=[sys.executable, "-P", "-m", "passerelle_ops.web", "--host", host, "--port", str(port)],
            environment=environment(stack, **more),
            stop_seconds=stack.settings.drain_seconds + 45,  # more than `web` takes to finish what goes on
        ),
        is_ready=lambda: said.exists() and answer(),
    )


def asgi(stack: Stack, name: str, factory: str, *, host: str = "127.0.0.1", ready: str = "/") -> Process:
    """A Starlette application made by `factory` (`module:function`), ready once `ready` answers 200."""
    port = stack.ports[name] if name in stack.ports else stack.port(name)
    return Process(
        name=name,
        command=Command(
            argv=[
                *(sys.executable, "-P", "-m", "uvicorn", factory, "--factory", "--host", host, "--port", str(port)),
                *("--log-level", "warning", "--no-access-log", "--no-server-header"),
                *("--timeout-graceful-shutdown", "10"),
                *("--ws-max-size", "262144", "--ws-per-message-deflate", "false"),
            ],
            environment=environment(stack),
        ),
        is_ready=answers(port, ready),
    )


def worker(stack: Stack, tenant_id: str | None = None) -> Process:
    """The Celery worker with its clock (one process: threads, and the relay's beat inside), ready once it says so.

    Of all networks, or of one with nothing of the others.
    """
    name = "worker" if tenant_id is None else f"worker-{tenant_id}"
    said = stack.state.path / f"{name}.ready"
    said.unlink(missing_ok=True)
    more = {"PASSERELLE_METRICS_PORT": str(stack.port(f"{name}-metrics"))} if stack.settings.metrics else {}
    given = environment(stack) if tenant_id is None else environment_of_one(stack.settings, tenant_id, stack.publish())
    return Process(
        name=name,
        command=Command(
            argv=[sys.executable, "-P", "-m", "passerelle_ops.worker"],
            environment={**given, **more, "PASSERELLE_READY_FILE": str(said)},
        ),
        is_ready=said.exists,
    )


def environment(stack: Stack, **more: str) -> Mapping[str, str]:
    """Our own environment and where the state is. No secret: those are read from the state."""
    return {**os.environ, "PASSERELLE_STATE": str(stack.state.path), **more}


def answers(port: int, path: str) -> Callable[[], bool]:
    """Whether a GET of that path on the loopback gives 200."""

    def ask() -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", path)
            # Closed by itself: one that says `Connection: close` outlives its connection.
            with connection.getresponse() as answer:
                return answer.status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    return ask
