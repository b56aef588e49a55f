"""What is not done, as types: a client asks for `... on Problem { code message }` and reads a stable code."""

from __future__ import annotations

import strawberry
from strawberry.types import Info
from strawberry.types.field import StrawberryField

from passerelle.audit.journal import Line
from passerelle.kernel import errors, messages
from passerelle.kernel.clock import legal_day
from passerelle.kernel.context import Context
from passerelle_graphql.context import Asked
from passerelle_graphql.directives import ListSize
from passerelle_graphql.metrics import ANSWERED, noted
from passerelle_policies.explanations import WITH_WAYS_IN, how_to_get_access
from passerelle_policies.packs import pack_on
from passerelle_policies.roles import role_of
from passerelle_policies.vocabulary import Kind


@strawberry.interface(
    description="Ce qui n'a pas été fait, et pourquoi. Le code est stable, la phrase est pour la personne."
)
class Problem:
    code: str
    message: str


@strawberry.type(
    description="Les règles s'y opposent. La règle est au journal du patient ; qui est refusé n'en a que le code."
)
class Refusal(Problem):
    how_to_get_access: list[str] = strawberry.field(
        default_factory=list,
        directives=[ListSize(assumed_size=4, slicing_arguments=[], sized_fields=[])],
        description="Ce qu'un professionnel peut faire pour entrer, selon son métier et les règles du jour seuls.",
    )


@strawberry.type(description="L'état des choses ne le permet pas ; une personne a peut-être à trancher.")
class Conflict(Problem):
    pass


@strawberry.type(description="Ce qui a été donné ne peut pas servir.")
class InvalidInput(Problem):
    pass


@strawberry.type(description="Rien ne répond à ce qui a été demandé.")
class NotFound(Problem):
    @classmethod
    def of(cls, code: str) -> NotFound:
        """The absence that a code names, with its sentence."""
        return cls(code=code, message=messages.sentence(code, {}))


@strawberry.type(description="Trop de demandes, ou un composant absent : réessayer plus tard.")
class TryLater(Problem):
    retry_after: int = strawberry.field(description="En secondes.")


class AsRefusal(strawberry.ExceptionHandler[errors.Refused, Refusal]):
    """A refusal by its code alone: the rule could tell of a block or of a masked document (docs/decisions/0061)."""

    def handle(self, exception: errors.Refused, *, field: StrawberryField, info: Info) -> Refusal:  # noqa: ARG002 - Strawberry's signature
        return refusal(exception, _noted(exception, info).context)


class AsConflict(strawberry.ExceptionHandler[errors.Conflict, Conflict]):
    def handle(self, exception: errors.Conflict, *, field: StrawberryField, info: Info) -> Conflict:  # noqa: ARG002 - Strawberry's signature
        _noted(exception, info)
        return Conflict(code=exception.code, message=exception.message)


class AsInvalidInput(strawberry.ExceptionHandler[errors.InvalidInput, InvalidInput]):
    def handle(self, exception: errors.InvalidInput, *, field: StrawberryField, info: Info) -> InvalidInput:  # noqa: ARG002 - Strawberry's signature
        _noted(exception, info)
        return InvalidInput(code=exception.code, message=exception.message)


class AsTryLater(strawberry.ExceptionHandler[errors.TryLater, TryLater]):
    def handle(self, exception: errors.TryLater, *, field: StrawberryField, info: Info) -> TryLater:  # noqa: ARG002 - Strawberry's signature
        _noted(exception, info)
        return try_later(exception)


def _noted(error: errors.PasserelleError, info: Info) -> Asked:
    """The request, told what came of it."""
    asked: Asked = info.context
    asked.outcomes.append(noted(error, asked.context.tenant.id))
    return asked


HANDLERS = (AsRefusal(), AsConflict(), AsInvalidInput(), AsTryLater())


def outcome_shown(problem: Problem) -> str:
    """The outcome that a type says (`metrics`): what is not there is an answer."""
    match problem:
        case Refusal():
            return "refused"
        case Conflict():
            return "conflict"
        case InvalidInput():
            return "invalid"
        case TryLater():
            return "later"
    return ANSWERED


def problem_of(error: errors.PasserelleError, context: Context) -> Problem | None:
    """The type that says an expected failure; none for what is nobody's to read (broken integrity, no token)."""
    match error:
        case errors.Refused():
            return refusal(error, context)
        case errors.Conflict():
            return Conflict(code=error.code, message=error.message)
        case errors.InvalidInput():
            return InvalidInput(code=error.code, message=error.message)
        case errors.TryLater():
            return try_later(error)
    return None


def refusal(error: errors.Refused, context: Context) -> Refusal:
    """By its code alone, with what a professional may do about it."""
    ways = _ways_in(context, _asked_for(error)) if error.code in WITH_WAYS_IN else ()
    return Refusal(code=error.code, message=error.message, how_to_get_access=list(ways))


def try_later(error: errors.TryLater) -> TryLater:
    return TryLater(code=error.code, message=error.message, retry_after=error.retry_after)


def _asked_for(error: errors.Refused) -> Kind:
    """What the refused asked for, which he knows."""
    if isinstance(error.line, Line):
        return error.line.kind
    return Kind(str(error.fields.get("kind", Kind.DOSSIER)))


def _ways_in(context: Context, kind: Kind) -> tuple[str, ...]:
    role = role_of(context.actor.profession, context.actor.kind)
    return how_to_get_access(role, pack_on(legal_day(context.clock)), context.tenant.parameters, kind=kind)
