"""The one table from a failure to HTTP and GraphQL (DESIGN §7: each face owns its table).

What is expected (the tree of `passerelle.kernel.errors`) keeps its code and its French sentence. Anything else
becomes INTERNAL with the request's id, and the log gets where it happened, never what it said: the message of an
unexpected exception may quote a row.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus

import structlog
from graphql import GraphQLError, GraphQLFormattedError, VariableDefinitionNode, get_location

from passerelle.kernel import messages
from passerelle.kernel.errors import (
    BrokenIntegrity,
    Conflict,
    InvalidInput,
    LimitExceeded,
    NotAuthenticated,
    PasserelleError,
    Refused,
    TryLater,
)

_CHALLENGE = 'Bearer realm="passerelle"'
_log = structlog.get_logger("passerelle.graphql")

_STATUS_OF_CODE = {
    "ADDRESS_UNKNOWN": HTTPStatus.NOT_FOUND,
    "NETWORK_UNKNOWN": HTTPStatus.NOT_FOUND,
    "DOCUMENT_UNKNOWN": HTTPStatus.NOT_FOUND,
    "CALENDAR_UNKNOWN": HTTPStatus.NOT_FOUND,
    "INS_OVER_GET": HTTPStatus.METHOD_NOT_ALLOWED,
    "MUTATION_OVER_GET": HTTPStatus.METHOD_NOT_ALLOWED,
    "METHOD_NOT_ALLOWED": HTTPStatus.METHOD_NOT_ALLOWED,
    "NOT_ACCEPTABLE": HTTPStatus.NOT_ACCEPTABLE,
    "CONTENT_TYPE_UNSUPPORTED": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "CONTENT_ENCODING_UNSUPPORTED": HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "BODY_TOO_LARGE": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "URL_TOO_LONG": HTTPStatus.REQUEST_URI_TOO_LONG,
    "RANGE_NOT_SATISFIABLE": HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
    "VIEW_NOT_CDA": HTTPStatus.NOT_ACCEPTABLE,
    "CALENDAR_TOO_OFTEN": HTTPStatus.TOO_MANY_REQUESTS,
    "PATIENT_LOOKUP_TOO_MANY": HTTPStatus.TOO_MANY_REQUESTS,
    "EXPORT_TOO_MANY": HTTPStatus.TOO_MANY_REQUESTS,
    "SUBSCRIPTION_NEEDS_STREAM": HTTPStatus.NOT_ACCEPTABLE,
}

_STATUS_OF_CLASS: tuple[tuple[type[PasserelleError], HTTPStatus], ...] = (
    (LimitExceeded, HTTPStatus.BAD_REQUEST),
    (InvalidInput, HTTPStatus.BAD_REQUEST),
    (NotAuthenticated, HTTPStatus.UNAUTHORIZED),
    (Refused, HTTPStatus.FORBIDDEN),
    (Conflict, HTTPStatus.CONFLICT),
    (TryLater, HTTPStatus.SERVICE_UNAVAILABLE),
    (BrokenIntegrity, HTTPStatus.INTERNAL_SERVER_ERROR),
)


def status_of(error: PasserelleError) -> HTTPStatus:
    """The HTTP status of an expected failure: its code's own, else its class's."""
    if (own := _STATUS_OF_CODE.get(error.code)) is not None:
        return own
    return next(status for class_, status in _STATUS_OF_CLASS if isinstance(error, class_))


def headers_of(error: PasserelleError) -> dict[str, str]:
    """The headers that go with that status."""
    match error:
        case NotAuthenticated(code="TOKEN_MISSING"):
            return {"WWW-Authenticate": _CHALLENGE}
        case NotAuthenticated():
            return {"WWW-Authenticate": f'{_CHALLENGE}, error="invalid_token", error_description="{error.code}"'}
        case TryLater():
            return {"Retry-After": str(error.retry_after)}
        case InvalidInput(code="INS_OVER_GET" | "MUTATION_OVER_GET"):
            return {"Allow": "POST"}
        case InvalidInput(code="CONTENT_TYPE_UNSUPPORTED"):
            return {"Accept": "application/json"}
        case InvalidInput(code="CONTENT_ENCODING_UNSUPPORTED"):
            return {"Accept-Encoding": "identity"}
    return {}


def formatted(error: PasserelleError) -> GraphQLFormattedError:
    """An expected failure as an entry of `errors`."""
    return {"message": error.message, "extensions": {"code": error.code}}


def internal(error: BaseException, request_id: str) -> GraphQLFormattedError:
    """An unexpected failure: logged by place, shown as INTERNAL with the request's id and nothing else."""
    frames = traceback.extract_tb(error.__traceback__)
    _log.error(
        "unexpected",
        request_id=request_id,
        type=type(error).__name__,
        at=[f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in frames[-8:]],
    )
    message = messages.sentence("INTERNAL", {"request_id": request_id})
    return {"message": message, "extensions": {"code": "INTERNAL", "requestId": request_id}}


def syntax_error(error: GraphQLError, *, tokens: int) -> GraphQLFormattedError:
    """A document that cannot be read; the message quotes the document's own tokens, its author's."""
    if f"more than {tokens} tokens" in error.message:
        return formatted(LimitExceeded("TOO_MANY_TOKENS", limit=tokens))
    return _of_the_document(error, "GRAPHQL_SYNTAX")


def validation_errors(errors: Iterable[GraphQLError]) -> list[GraphQLFormattedError]:
    """What is wrong with a document, as graphql-core says it; it speaks of the schema and of the document only."""
    return [_of_the_document(each, "GRAPHQL_INVALID") for each in errors]


def variable_errors(misfits: Mapping[VariableDefinitionNode, Sequence[str]]) -> list[GraphQLFormattedError]:
    """Variables that do not fit, by the places in each that do not. Their values are never echoed."""
    shown: list[GraphQLFormattedError] = []
    for declared, places in misfits.items():
        for place in places:
            message = messages.sentence("VARIABLE_INVALID", {"variable": place})
            entry: GraphQLFormattedError = {"message": message, "extensions": {"code": "VARIABLE_INVALID"}}
            if declared.loc:
                entry["locations"] = [get_location(declared.loc.source, declared.loc.start).formatted]
            shown.append(entry)
    return shown


def execution_error(error: GraphQLError, request_id: str) -> GraphQLFormattedError:
    """One error of a field: an expected failure keeps its code, a wrong argument is said without its value."""
    cause = error.original_error
    if isinstance(cause, PasserelleError):
        entry = formatted(cause)
    elif cause is None or isinstance(cause, GraphQLError):
        code = "ARGUMENT_INVALID"
        entry = {"message": messages.sentence(code, {}), "extensions": {"code": code}}
    else:
        entry = internal(cause, request_id)
    if error.path is not None:
        entry["path"] = error.path
    if error.locations:
        entry["locations"] = [location.formatted for location in error.locations]
    return entry


def _of_the_document(error: GraphQLError, code: str) -> GraphQLFormattedError:
    entry: GraphQLFormattedError = {"message": error.message, "extensions": {"code": code}}
    if error.locations:
        entry["locations"] = [location.formatted for location in error.locations]
    return entry
