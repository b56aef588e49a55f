"""`passerelle explain`: what an operation becomes, for developers: a statement for each of its roots, or why not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from passerelle_ops.cli.options import Json, State, settings_of

if TYPE_CHECKING:
    from passerelle_graphql.compiler.plans import Plan, RootPlan
    from passerelle_graphql.preparation import Prepared

Variables = Annotated[
    str | None,
    typer.Option("--variables", metavar="JSON", help="Les variables : sans elles, pas de coût."),
]
Name = Annotated[str | None, typer.Option("--operation", metavar="NOM", help="Laquelle, si le texte en a plusieurs.")]
On = Annotated[
    str | None,
    typer.Option("--tenant", "-t", metavar="RÉSEAU", help="Demander aussi son plan à cette base, sans rien lire."),
]


def explain(
    query: Annotated[
        str,
        typer.Argument(
            metavar="OPÉRATION",
            help="Un fichier .graphql, - (entrée standard), le nom"
            " d’une opération de la passerelle, ou le texte lui-même.",
        ),
    ],
    name: Name = None,
    variables: Variables = None,
    tenant: On = None,
    state: State = None,
    as_json: Json = False,
) -> None:
    """Montrer en quelle requête SQL une opération GraphQL se change, ou pourquoi elle ne le peut pas.

    Sort avec 1 quand Strawberry y répondrait à sa place. Avec --tenant, PostgreSQL donne son plan : rien n’est lu,
    et rien n’est écrit au journal.
    """
    import asyncio

    from passerelle_graphql.compiler.plans import Plan

    prepared, plan = _planned(*_text(query, name), variables)
    if not isinstance(plan, Plan):
        _tell_why_not(prepared, str(plan), as_json=as_json)
        raise typer.Exit(1)
    shown = [_shown(each) for each in plan.roots]
    if tenant is not None:
        for each, plan_of in zip(shown, asyncio.run(_asked(plan, tenant, state)), strict=True):
            each["postgresql"] = plan_of
    _tell(prepared, shown, as_json=as_json)


def _text(query: str, name: str | None) -> tuple[str, str | None]:
    """The document that is meant, and the name of its operation."""
    import sys

    from passerelle_graphql.committed import committed

    if query in committed():
        return committed()[query], name or query
    if query == "-":
        return sys.stdin.read(), name
    if query.endswith(".graphql"):
        return Path(query).read_text("utf-8"), name
    return query, name


def _planned(text: str, name: str | None, variables: str | None) -> tuple[Prepared, Plan | Exception]:
    import json

    from passerelle.kernel.errors import InvalidInput
    from passerelle_graphql.compiler.building import NotCompiled
    from passerelle_graphql.compiler.plans import Plans
    from passerelle_graphql.limits import Limits
    from passerelle_graphql.preparation import Preparation, Prepared, RequestErrors
    from passerelle_graphql.requests import Parameters
    from passerelle_graphql.schema import ROOTS, schema

    limits = Limits()
    preparation = Preparation(schema, limits, introspection=True)
    try:
        given = json.loads(variables) if variables is not None else None
    except ValueError as broken:
        raise InvalidInput("PARAMETER_NOT_JSON", parameter="--variables") from broken
    try:
        if given is not None:
            prepared = preparation.prepare(Parameters(query=text, operation_name=name, variables=given))
        else:  # without its variables an operation has a statement all the same, but no cost
            document = preparation.document(text)
            operation = document.operations.get(name) or next(iter(document.operations.values()))
            prepared = Prepared(document, operation, {}, {}, 0)
    except RequestErrors as wrong:
        raise InvalidInput("OPERATION_INVALID", reason=wrong.shown[0]["message"].rstrip(".")) from wrong
    try:
        return prepared, Plans(schema, ROOTS, kept=limits.kept_operations).plan(prepared)
    except NotCompiled as reason:
        return prepared, reason


def _shown(root: RootPlan) -> dict[str, Any]:
    return {
        "root": root.root.name,
        "key": root.key,
        "parameters": list(root.statement.names),
        "late": len(root.late),
        "octets": len(root.statement.sql),
        "sql": root.statement.sql.decode(),
    }


async def _asked(plan: Plan, tenant_id: str, state: Path | None) -> list[str]:
    """PostgreSQL's generic plan of each statement."""
    from sqlalchemy import text

    from passerelle_ops.installation import Installation

    installation = Installation(settings_of(state))
    try:
        tenant = await (await installation.registry()).tenant(tenant_id)
        told: list[str] = []
        async with tenant.database.transaction() as connection:
            for each in plan.roots:
                asked = f"explain (generic_plan, costs off) {each.statement.sql.decode()}"
                rows = await connection.execute(text(asked.replace("\\", "\\\\").replace(":", "\\:")))
                told.append("\n".join(str(row[0]) for row in rows))
        return told
    finally:
        await installation.close()


def _tell_why_not(prepared: Prepared, reason: str, *, as_json: bool) -> None:
    from passerelle_ops.terminal import print_json, say

    if as_json:
        print_json({"operation": prepared.name, "compiled": False, "reason": reason})
    else:
        say("EXPLAIN_NOT_COMPILED", reason=reason)


def _tell(prepared: Prepared, roots: list[dict[str, Any]], *, as_json: bool) -> None:
    from rich.syntax import Syntax

    from passerelle_ops.terminal import output, print_json, say

    if as_json:
        print_json({"operation": prepared.name, "compiled": True, "cost": prepared.cost or None, "roots": roots})
        return
    for each in roots:
        say("EXPLAIN_ROOT", root=each["root"], octets=each["octets"], late=each["late"])
        output().print(Syntax(each["sql"], "postgresql", word_wrap=True, background_color="default"))
        for number, parameter in enumerate(each["parameters"], 1):
            output().print(f"  ${number} {parameter}")
        if "postgresql" in each:
            say("EXPLAIN_POSTGRESQL")
            output().print(each["postgresql"], markup=False)
