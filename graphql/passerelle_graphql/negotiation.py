"""Which media type goes in and out: `Accept` and `Content-Type` (RFC 9110 §12.5.1, GraphQL over HTTP §4)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache


class MediaType(StrEnum):
    """What the GraphQL endpoint may answer with."""

    RESPONSE = "application/graphql-response+json"
    JSON = "application/json"

    @property
    def header(self) -> str:
        return f"{self}; charset=utf-8"


@dataclass(frozen=True, slots=True)
class _Range:
    type: str
    subtype: str
    quality: float
    speaks_utf8: bool

    def covers(self, media_type: MediaType) -> bool:
        type_, subtype = media_type.split("/")
        return self.speaks_utf8 and self.type in ("*", type_) and self.subtype in ("*", subtype)

    @property
    def precision(self) -> int:
        return (self.type != "*") + (self.subtype != "*")


# In the order of our own taste, which decides only where the client has none: before the watershed of the
# specification a client that does not say gets application/json.
_OURS = (MediaType.JSON, MediaType.RESPONSE)


@lru_cache(maxsize=256)
def answer_type(accept: str | None) -> MediaType | None:
    """The media type to answer with; None when the client takes none of ours (406)."""
    if accept is None or not accept.strip():
        return MediaType.JSON
    ranges = [each for each in map(_range, accept.split(",")) if each is not None]
    best: MediaType | None = None
    best_rank = (0.0, 0, 0)
    for media_type in _OURS:
        covering = [(each.precision, index, each) for index, each in enumerate(ranges) if each.covers(media_type)]
        if not covering:
            continue
        precision, index, chosen = max(covering, key=lambda each: (each[0], -each[1]))
        rank = (chosen.quality, precision, -index)
        if chosen.quality > 0 and (best is None or rank > best_rank):
            best, best_rank = media_type, rank
    return best


def is_json(content_type: str | None) -> bool:
    """Whether a request body so labelled is JSON in UTF-8, the only one we read (415 otherwise)."""
    if content_type == "application/json":
        return True
    if content_type is None:
        return False
    essence, parameters = _essence(content_type)
    return essence == "application/json" and parameters.get("charset", "utf-8") in ("utf-8", "utf8")


def _range(text: str) -> _Range | None:
    essence, parameters = _essence(text)
    type_, slash, subtype = essence.partition("/")
    if not slash or not type_ or not subtype:
        return None
    try:
        quality = float(parameters.get("q", "1"))
    except ValueError:
        return None
    if not 0 <= quality <= 1:
        return None
    return _Range(type_, subtype, quality, parameters.get("charset", "utf-8") in ("utf-8", "utf8"))


def _essence(text: str) -> tuple[str, dict[str, str]]:
    essence, *rest = text.split(";")
    parameters = {}
    for each in rest:
        name, _, value = each.partition("=")
        parameters[name.strip().lower()] = value.strip().strip('"').lower()
    return essence.strip().lower(), parameters
