"""The parameters of one GraphQL request, out of a URL or a body (GraphQL over HTTP §5)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn
from urllib.parse import parse_qsl

from passerelle.kernel.errors import InvalidInput

_PARAMETERS = ("query", "operationName", "variables", "extensions", "documentId")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_BY_DIGEST = "sha256:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """What a client asks. `is_get` is kept because some of it may then not be asked.

    Without a `query`, the document is that of this `sha256`, else the one registered as `document_id`, else as the
    name of the operation (`persisted`).
    """

    query: str = ""
    sha256: str | None = None
    document_id: str | None = None
    operation_name: str | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    extensions: Mapping[str, Any] = field(default_factory=dict)
    is_get: bool = False

    @property
    def rest(self) -> Mapping[str, Any]:
        """What came beside the document."""
        return {
            "documentId": self.document_id,
            "operationName": self.operation_name,
            "variables": self.variables,
            "extensions": self.extensions,
        }


def from_url(query_string: bytes) -> Parameters:
    """Read the parameters of a GET. Refuses one given twice (PARAMETER_TWICE) and text that is not UTF-8."""
    try:
        pairs = parse_qsl(
            query_string.decode("ascii"), keep_blank_values=True, encoding="utf-8", errors="strict", max_num_fields=50
        )
    except (UnicodeDecodeError, ValueError) as broken:
        raise InvalidInput("URL_NOT_UTF8") from broken
    given: dict[str, Any] = {}
    for name, value in pairs:
        if name in given and name in _PARAMETERS:
            raise InvalidInput("PARAMETER_TWICE", parameter=name)
        given[name] = value
    for name in ("variables", "extensions"):
        if name in given:
            given[name] = _json(given[name], name) if given[name] else None
    if not given.get("operationName"):
        given.pop("operationName", None)
    return _checked(given, is_get=True)


def from_body(body: bytes) -> Parameters:
    """Read the parameters of a POST in JSON. A list of requests (batching) is refused with BATCHING_REFUSED."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as broken:
        raise InvalidInput("BODY_NOT_UTF8") from broken
    given = _json(text, "body")
    if isinstance(given, list):
        raise InvalidInput("BATCHING_REFUSED")
    if not isinstance(given, dict):
        raise InvalidInput("BODY_NOT_AN_OBJECT")
    # JSON writes what no database stores by an escape, and refuses it otherwise.
    return _checked(given, is_get=False, may_hold_odd_text=b"\\u" in body)


def _checked(given: Mapping[str, Any], *, is_get: bool, may_hold_odd_text: bool = True) -> Parameters:
    query = given.get("query")
    if query is None:
        query = ""
    elif not isinstance(query, str) or not query.strip():
        raise InvalidInput("QUERY_MISSING")
    if may_hold_odd_text and not all(is_text(text) for name in _PARAMETERS for text in texts_in(given.get(name))):
        raise InvalidInput("TEXT_INVALID")
    operation_name = given.get("operationName")
    if operation_name is not None and not isinstance(operation_name, str):
        raise InvalidInput("PARAMETER_MALFORMED", parameter="operationName")
    maps: dict[str, Mapping[str, Any]] = {}
    for name in ("variables", "extensions"):
        value = given.get(name)
        if value is not None and not isinstance(value, dict):
            raise InvalidInput("PARAMETER_MALFORMED", parameter=name)
        maps[name] = value or {}
    digest, document_id = _persisted(maps["extensions"]), given.get("documentId")
    if document_id is not None:
        if not isinstance(document_id, str) or digest is not None:
            raise InvalidInput("PARAMETER_MALFORMED", parameter="documentId")
        if document_id.startswith(_BY_DIGEST):
            digest, document_id = _digest(document_id.removeprefix(_BY_DIGEST), "documentId"), None
    if not query and digest is document_id is operation_name is None:
        raise InvalidInput("QUERY_MISSING")
    return Parameters(
        query=query,
        sha256=digest,
        document_id=document_id,
        operation_name=operation_name,
        variables=maps["variables"],
        extensions=maps["extensions"],
        is_get=is_get,
    )


def _persisted(extensions: Mapping[str, Any]) -> str | None:
    """The hash of the protocol of automatic persisted queries, version 1."""
    said = extensions.get("persistedQuery")
    if said is None:
        return None
    if not isinstance(said, dict) or type(said.get("version")) is not int or said["version"] != 1:
        raise InvalidInput("PARAMETER_MALFORMED", parameter="extensions.persistedQuery")
    return _digest(said.get("sha256Hash"), "extensions.persistedQuery")


def _digest(given: Any, parameter: str) -> str:
    if not isinstance(given, str) or not _DIGEST.fullmatch(given.lower()):
        raise InvalidInput("PARAMETER_MALFORMED", parameter=parameter)
    return given.lower()


def is_text(text: str) -> bool:
    """Whether a text can be stored and written again: no NUL, no half of a surrogate pair."""
    if "\x00" in text:
        return False
    if text.isascii():
        return True
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def texts_in(value: Any) -> Iterator[str]:
    """Every text and number in a JSON value, names of keys included."""
    if isinstance(value, (str, int)):
        yield str(value)
    elif isinstance(value, list):
        for each in value:
            yield from texts_in(each)
    elif isinstance(value, dict):
        for name, each in value.items():
            yield name
            yield from texts_in(each)


def _json(text: str, parameter: str) -> Any:
    try:
        if text.startswith("{"):
            value, end = _DECODER.raw_decode(text)
            if end == len(text):
                return value
        return _DECODER.decode(text)  # which takes white space before and after
    except (ValueError, RecursionError) as broken:
        code = "BODY_NOT_JSON" if parameter == "body" else "PARAMETER_NOT_JSON"
        raise InvalidInput(code, parameter=parameter) from broken


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
