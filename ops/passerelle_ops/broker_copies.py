"""The broker as a worker reads it: kombu's Redis transport stores each message a second time until it is acknowledged,
and gives it back after `visibility_timeout`. Here, not where that is of no use to anybody:

    envelopes   what is lost of them is still owed where it comes from, and sent again in seconds (decisions 0130, 0134)
    turns       that would have expired by then: another has been sent (decision 0043)
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from kombu.transport import redis, virtual

from passerelle_ops.stack.broker_users import FEDERATION

_STORED: Final[Any] = redis.QoS
_KNOWN: Final[Any] = virtual.QoS


class _Taken(redis.QoS):
    """The messages that a worker took and did not acknowledge yet; it alone knows of those that are not stored."""

    def __init__(self, *given: Any, **options: Any) -> None:
        _STORED.__init__(self, *given, **options)
        self._not_stored: set[str] = set()

    def append(self, message: Any, delivery_tag: str) -> None:
        if self._is_to_come_back(message):
            _STORED.append(self, message, delivery_tag)
        else:
            self._not_stored.add(delivery_tag)
            _KNOWN.append(self, message, delivery_tag)

    def ack(self, delivery_tag: str) -> None:
        self._of(delivery_tag).ack(self, delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        self._of(delivery_tag).reject(self, delivery_tag, requeue)

    def _is_to_come_back(self, message: Any) -> bool:
        # Another network's user of the broker may have written anything.
        try:
            if message.delivery_info["routing_key"] == FEDERATION:
                return False
            back_at = datetime.now(UTC) + timedelta(seconds=self.visibility_timeout)
            return datetime.fromisoformat(message.headers["expires"]) > back_at
        except (LookupError, TypeError, ValueError, AttributeError):
            return True

    def _of(self, delivery_tag: str) -> Any:
        try:
            self._not_stored.remove(delivery_tag)
        except KeyError:
            return _STORED
        return _KNOWN


class _Channel(redis.Channel):
    QoS = _Taken


class Transport(redis.Transport):
    """For Celery's `broker_transport`."""

    Channel = _Channel
