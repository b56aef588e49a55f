"""Structured logs: one JSON object a line, on standard error. They hold no health data, no name and no INS.

An exception is told by its class and place: its text may quote a value of a row. What still looks like a
matricule is struck out, wherever it comes from.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TextIO, cast

import structlog

from passerelle.kernel.errors import PasserelleError
from passerelle.kernel.tracing import REQUEST
from passerelle_ops.settings import Settings

# 13 or 15 characters of a NIR or NIA, Corsica included; in one piece, or in groups as people write them.
_MATRICULE = re.compile(
    r"(?<![0-9A-Za-z])[1-478](?:[\s.]?[0-9]){5}[\s.]?[0-9ABab](?:[\s.]?[0-9]){6}(?:(?:[\s.]?[0-9]){2})?(?![0-9A-Za-z])"
)
_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


_level = _LEVELS["info"]


def configure(settings: Settings) -> None:
    """Set the logs of this process up, those of its libraries from `warning` on included."""
    global _level
    _level = _LEVELS[settings.log_level]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            placed,
            asked_for,
            struck_out,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[settings.log_level]),
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, _StandardError())),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(cast(TextIO, _StandardError()))
    handler.setFormatter(_Library())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


def request(*, method: str, path: str, status: int, milliseconds: float, request_id: str | None) -> None:
    """The line of one request, in the form of the others. It is written for each one: no processor is gone through."""
    if _level > _LEVELS["info"]:
        return
    told = f'"method": {_quoted(method)}, "path": {_quoted(path)}, "status": {status}, "milliseconds": {milliseconds}'
    known = "null" if request_id is None else _quoted(request_id) if not request_id.isalnum() else f'"{request_id}"'
    at = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    sys.stderr.write(f'{{{told}, "request_id": {known}, "event": "request", "level": "info", "timestamp": "{at}"}}\n')


@lru_cache(maxsize=512)
def _quoted(text: str) -> str:
    return json.dumps(_struck(text), ensure_ascii=False)


def placed(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Put the class and the place of an exception where its text would stand."""
    error = event.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()[1]
    if isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        event.update(place(error))
    return event


def asked_for(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Say which request, or turn of a task, it is of."""
    if "request_id" not in event and (request_id := REQUEST.get()) is not None:
        event["request_id"] = request_id
    return event


def place(error: BaseException) -> dict[str, str]:
    """The class of an exception, the line that raised it, and the code of one of ours."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else "?"
    code = {"code": error.code} if isinstance(error, PasserelleError) else {}
    return {"error": type(error).__name__, "where": where, **code}


def struck_out(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Strike out what looks like a matricule, in any text of the event, however deep; names and keys too."""
    return {_struck(name): _struck(value) for name, value in event.items()}


def _struck(value: Any) -> Any:
    """The value as it may be written: what JSON has no form for is told as text by the renderer, so is struck as it."""
    if isinstance(value, str):
        return _MATRICULE.sub("…", value)
    if isinstance(value, Mapping):
        return {_struck(name) if isinstance(name, str) else name: _struck(each) for name, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_struck(each) for each in value]
    if value is None or isinstance(value, bool | float):
        return value
    told = _MATRICULE.sub("…", text := str(value))
    return value if told == text and isinstance(value, int) else told


class _StandardError:
    """Standard error as it is when something is written, not as it was when a logger was made."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


class _Library(logging.Formatter):
    """The lines of libraries, in the same form; an exception again by class and place only."""

    def format(self, record: logging.LogRecord) -> str:
        event: MutableMapping[str, Any] = {
            "event": record.getMessage() if record.exc_info is None else "exception",
            "logger": record.name,
            "level": record.levelname.lower(),
            "timestamp": self.formatTime(record, "%Y-%m-%dT%H:%M:%S"),
        }
        if record.exc_info and record.exc_info[1] is not None:
            event.update(place(record.exc_info[1]))
        told = struck_out(None, "", asked_for(None, "", event))
        return str(structlog.processors.JSONRenderer(ensure_ascii=False)(None, "", told))
