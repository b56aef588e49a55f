"""What Celery does by itself on the same broker: tasks that do nothing, one for each document.

They wait in the queue before the worker starts, and one worker takes them, as one takes in what goes to a network:
neither its start nor the sending is timed, only how fast they leave the queue. The faster of two pools counts.
`python -m` on this module is the worker, of the pool that its argument names.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Final

import redis
from celery import Celery

from passerelle_ops.stack.children import Command
from passerelle_ops.stack.servers import Stack

POOLS: Final = ("prefork", "threads")
_URL: Final = "PASSERELLE_BENCH_BROKER_URL"
_QUEUE: Final = "nothing"
#: Not timed: the worker starts.
_FIRST: Final = 100
_PATIENCE: Final = 120.0


def create_app(url: str) -> Celery:
    """The application, with its one task."""
    app = Celery("bare", broker=url, set_as_current=False)
    app.conf.update(task_ignore_result=True, task_default_queue=_QUEUE, broker_connection_retry_on_startup=True)
    app.task(name="nothing")(_nothing)
    return app


def _nothing() -> None:
    return None


def rates(stack: Stack, url: str, tasks: int, on_pool: Callable[[], None] = lambda: None) -> dict[str, float]:
    """Tasks a second by pool, two processes or threads each. `url`: a database of the broker that nobody else uses."""
    found = {}
    for pool in POOLS:
        found[pool] = _rate(stack, url, pool, tasks)
        on_pool()
    return found


def _rate(stack: Stack, url: str, pool: str, tasks: int) -> float:
    app = create_app(url)
    with app.connection_for_write() as connection, app.amqp.Producer(connection) as producer:
        for _ in range(tasks):
            app.send_task("nothing", queue=_QUEUE, producer=producer, ignore_result=True)
    name = f"bare-{pool}"
    argv = [sys.executable, "-P", "-m", __name__, pool]
    child = stack.spawn(name, Command(argv=argv, environment={**os.environ, _URL: url}))
    try:
        with redis.Redis.from_url(url) as client:
            end = time.monotonic() + _PATIENCE
            began: tuple[float, int] | None = None
            while left := int(client.llen(_QUEUE)):
                if began is None and left <= tasks - _FIRST:
                    began = time.perf_counter(), left
                if time.monotonic() > end or child.code is not None:
                    raise LookupError(child.last_words())
                time.sleep(0.01)
            now = time.perf_counter()
    finally:
        del stack.children[name]
        child.kill()
    if began is None:
        raise LookupError("too few tasks to be timed")
    return began[1] / (now - began[0])


def main() -> None:
    """Work until killed."""
    create_app(os.environ[_URL]).worker_main(
        [
            *("--quiet", "worker", "--pool", sys.argv[1], "--concurrency", "2", "--queues", _QUEUE),
            *("--loglevel", "ERROR", "--without-gossip", "--without-mingle", "--without-heartbeat"),
        ]
    )


if __name__ == "__main__":
    main()
