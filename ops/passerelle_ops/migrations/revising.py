"""`python -m passerelle_ops.migrations.revising tenant 0002 "What changes"`: draft the next revision of a history.

Reads the difference between the tables of the code and a database brought to the newest revision
(PASSERELLE_REVISE_URL: an empty one to throw away). A person reads the draft, adds its grants and commits it.
"""

from __future__ import annotations

import os
import sys

from alembic import command

from passerelle_ops.migrations.histories import HISTORIES, connected, upgrade


def revise(history_name: str, number: str, message: str, url: str) -> None:
    """Write `versions/r<number>_….py` beside the others."""
    history = HISTORIES[history_name]
    if number != "0001":
        upgrade(history, url)
    with connected(url) as connection:
        config = history.config()
        config.set_main_option("file_template", "r%%(rev)s_%%(slug)s")
        config.attributes["connection"] = connection
        command.revision(config, message, autogenerate=True, rev_id=number)


if __name__ == "__main__":
    revise(sys.argv[1], sys.argv[2], sys.argv[3], os.environ["PASSERELLE_REVISE_URL"])
