"""Envelopes on their way: one Celery message each, pushed to the queue of the network it is for.

The broker is transport only. A task has no retry, no result and is acknowledged before it runs: what was not applied is
still owed in the sender's database, which sends it again (docs/decisions/0130, 0134).
"""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import suppress
from typing import Any, Final

from celery import Celery
from celery.exceptions import OperationalError

from passerelle.kernel import tracing
from passerelle.kernel.errors import TryLater
from passerelle_ops.stack.broker_users import FEDERATION, key_prefix

_AGAIN: Final = 2  # seconds
#: Messages in the queue of a network that empties it no more. What goes beyond is owed, and kept where it is owed.
LONGEST: Final = 500
_LOOK_EVERY: Final = 1.0
TAKE: Final = "federation.take"
# The body as it is: kombu would write it in base64, and an envelope is ASCII already.
_TRANSPORT: Final = {"body_encoding": None, "socket_connect_timeout": 2, "socket_timeout": 5}


class CeleryCarrier:
    """Pushes the envelopes of one network, as that network's user of the broker, which may push and look at nothing."""

    def __init__(self, broker_url: str) -> None:
        self._app = Celery("passerelle-federation", broker=broker_url, set_as_current=False)
        self._app.conf.update(task_serializer="json", task_ignore_result=True, task_default_delivery_mode="transient")
        self._producers: dict[str, Any] = {}  # of kombu, by whom it is for
        self._lengths: dict[str, tuple[float, int]] = {}
        self._away_until = float("-inf")
        self._pushing = threading.Lock()

    async def carry(self, to_tenant: str, envelope: bytes) -> None:
        """Push an envelope. Refused, and owed still: BROKER_AWAY, QUEUE_FULL when nobody empties the queue."""
        await asyncio.to_thread(self._push, to_tenant, envelope.decode("ascii"))

    def close(self) -> None:
        """Let go of the connections."""
        with self._pushing:
            for to_tenant in list(self._producers):
                self._forget(to_tenant)

    def _push(self, to_tenant: str, envelope: str) -> None:
        with self._pushing:
            if time.monotonic() < self._away_until:  # nobody waits out its silence anew for each envelope
                raise TryLater("BROKER_AWAY", retry_after=_AGAIN)
            try:
                producer = self._producer(to_tenant)
                self._refuse_full(to_tenant, producer)
                self._app.send_task(
                    TAKE,
                    (to_tenant, envelope),
                    producer=producer,
                    queue=FEDERATION,
                    declare=[],  # a binding would be a key of the other network
                    retry=False,
                    ignore_result=True,
                    add_to_parent=False,
                    argsrepr="…",  # else Celery writes the arguments a second time, for people
                    kwargsrepr="",
                    headers=tracing.sent_on(),
                )
            except (OperationalError, OSError) as away:
                self._forget(to_tenant)
                self._away_until = time.monotonic() + _AGAIN
                raise TryLater("BROKER_AWAY", retry_after=_AGAIN) from away

    def _producer(self, to_tenant: str) -> Any:
        if (known := self._producers.get(to_tenant)) is None:
            # The prefix is the other network's: its queue is the one key there that we may push to.
            options = {**_TRANSPORT, "global_keyprefix": key_prefix(to_tenant)}
            connection = self._app.connection_for_write(transport_options=options)
            known = self._producers[to_tenant] = self._app.amqp.Producer(connection, auto_declare=False)
        return known

    def _refuse_full(self, to_tenant: str, producer: Any) -> None:
        """Look once a second: the broker's memory is everyone's, and signs of life to an absent network have no end."""
        looked_at, length = self._lengths.get(to_tenant, (float("-inf"), 0))
        if time.monotonic() - looked_at > _LOOK_EVERY:
            # As Celery does round a publish.
            with producer.connection._reraise_as_library_errors(), producer.channel.conn_or_acquire() as client:
                length = client.llen(FEDERATION)
            self._lengths[to_tenant] = (time.monotonic(), length)
        if length >= LONGEST:
            raise TryLater("QUEUE_FULL", retry_after=_AGAIN, network=to_tenant)

    def _forget(self, to_tenant: str) -> None:
        if (producer := self._producers.pop(to_tenant, None)) is not None:
            with suppress(OperationalError, OSError):
                producer.connection.release()
