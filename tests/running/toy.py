"""A small installation to start, kill and stop: `python -m tests.running.toy STATE [WORD…]`.

It keeps PostgreSQL, Valkey and one web server running; words: `fall` (the errand raises), `done` (it returns 7),
`stubborn` (a process that is never ready), `deaf` (one that no asking stops),
`first` (one, listed first, that is ready once the last one has started).
"""

from __future__ import annotations

import sys
from pathlib import Path

from passerelle_ops.stack.children import Command
from passerelle_ops.stack.processes import answers, environment
from passerelle_ops.stack.servers import Stack
from passerelle_ops.stack.state import StackInfo
from passerelle_ops.stack.supervisor import Process, Supervisor

_SERVER = """
import sys
from http.server import SimpleHTTPRequestHandler, test
test(SimpleHTTPRequestHandler, port=int(sys.argv[1]), bind="127.0.0.1")
"""


def shelf(stack: Stack) -> Process:
    """A web server over an empty folder."""
    port = stack.port("shelf")
    return Process(
        name="shelf",
        command=Command(
            argv=[sys.executable, "-I", "-c", _SERVER, str(port)],
            environment=environment(stack),
            folder=stack.state.folder("shelf"),
        ),
        is_ready=answers(port, "/"),
    )


def main(state: str, *words: str) -> int:
    def errand(_info: StackInfo) -> int | None:
        if "fall" in words:
            raise RuntimeError("the errand fell")
        return 7 if "done" in words else None

    with Stack(Path(state)) as stack:
        processes = [shelf(stack)]
        if "stubborn" in words:
            command = Command(argv=["/bin/sh", "-c", "echo I will not; exit 3"])
            processes.append(Process(name="stubborn", command=command, is_ready=lambda: False))
        if "deaf" in words:
            deaf = Command(argv=["/bin/sh", "-c", 'trap "" TERM INT; while :; do sleep 1; done'])
            processes.append(Process(name="deaf", command=deaf))
        if "first" in words:
            seen = stack.state.path / "seen"
            touch = Command(argv=["/bin/sh", "-c", 'touch "$0"; exec sleep 600', str(seen)])
            idle = Command(argv=["/bin/sh", "-c", "exec sleep 600"])
            processes.insert(0, Process(name="first", command=idle, is_ready=seen.exists))
            processes.append(Process(name="last", command=touch))
        return Supervisor(stack, processes).run(errand)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
