"""The SDL that is committed as `schema.graphql`: `python -m passerelle_graphql.export_sdl` writes it anew."""

from __future__ import annotations

from pathlib import Path

from passerelle_graphql.schema import schema

COMMITTED = Path(__file__).with_name("schema.graphql")


def sdl() -> str:
    """The schema as it stands in the code."""
    return schema.as_str().rstrip() + "\n"


if __name__ == "__main__":
    COMMITTED.write_text(sdl(), encoding="utf-8")
