"""Ids that two worlds draw alike, in the place of those that our own modules draw at random."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b

from passerelle_graphql.authentication import new_request_id


class Ids:
    """Ids drawn from what they are for: the same in both twins."""

    def __init__(self) -> None:
        self._about, self._count = "", 0

    def about(self, what: str) -> None:
        """Whatever is drawn next is for this."""
        self._about, self._count = what, 0

    def __call__(self) -> uuid.UUID:
        self._count += 1
        drawn = blake2b(f"{self._about}/{self._count}".encode(), digest_size=16).digest()
        return uuid.UUID(bytes=drawn, version=4)

    def request_id(self) -> str:
        """The id of a request, drawn likewise."""
        return self().hex

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Draw here whatever our own modules would draw at random."""
        drawn = {"uuid4": (uuid.uuid4, self), "new_request_id": (new_request_id, self.request_id)}
        modules = [sys.modules[each] for each in sys.modules if each.partition(".")[0].startswith("passerelle")]
        taken = [
            (module, name)
            for module in modules
            for name, (random, _) in drawn.items()
            if getattr(module, name, None) is random
        ]
        for module, name in taken:
            setattr(module, name, drawn[name][1])
        try:
            yield
        finally:
            for module, name in taken:
                setattr(module, name, drawn[name][0])
