"""The operations that are committed in `operations/`: what our own faces and tours send, and what clients copy."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from graphql import OperationDefinitionNode, parse


@cache
def committed() -> Mapping[str, str]:
    """By the name of an operation, the document that holds it; send it with that `operationName`."""
    found: dict[str, str] = {}
    for resource in sorted(files("passerelle_graphql").joinpath("operations").iterdir(), key=lambda each: each.name):
        text = resource.read_text("utf-8")
        for definition in parse(text).definitions:
            if isinstance(definition, OperationDefinitionNode):
                if definition.name is None or definition.name.value in found:
                    raise ValueError(f"{resource.name} holds an operation without a name of its own")
                found[definition.name.value] = text
    return found
