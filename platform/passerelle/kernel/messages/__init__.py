"""The French catalogues: one sentence for each stable code.

`*.toml` beside this file hold `CODE = "sentence with {field}"`, where `{field|word|words}` is the word in the number
of that field; a domain has its own catalogue file. A code without a sentence is a fault of ours, held by a test over
all raised codes.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

# French: zero is singular.
_NUMBERED = re.compile(r"\{(?P<field>\w+)\|(?P<one>[^|}]*)\|(?P<many>[^|}]*)\}")


@cache
def catalogue() -> Mapping[str, str]:
    """Every sentence by code. A code given twice is refused at start."""
    sentences: dict[str, str] = {}
    for resource in sorted(files(__name__).iterdir(), key=lambda each: each.name):
        if not resource.name.endswith(".toml"):
            continue
        for code, sentence in tomllib.loads(resource.read_text("utf-8")).items():
            if code in sentences:
                raise ValueError(f"message code {code} stands in two catalogues")
            sentences[code] = sentence
    return sentences


def sentence(code: str, fields: Mapping[str, str | int]) -> str:
    """The sentence of `code` with its fields put in; the code itself when the catalogue has none."""
    template = catalogue().get(code)
    if template is None:
        return code
    return agreed(template, fields).format_map({**fields})


def agreed(template: str, fields: Mapping[str, str | int]) -> str:
    """A sentence with its words in the number that each field asks for."""
    if "|" not in template:
        return template
    return _NUMBERED.sub(lambda word: word["one"] if abs(int(fields[word["field"]])) < 2 else word["many"], template)
