"""Write anew what a database keeps beside each document, as the sources have it: for a fault that is planted there.

python -m tests.proofs summaries OWNER_URL
"""

from __future__ import annotations

import psycopg

from passerelle.dossier.tables import SUMMARIZED
from passerelle_ops.migrations.summaries import document_summary


def main(owner_url: str) -> None:
    made = f"document_summary({', '.join(SUMMARIZED)})"
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute("alter table document drop column summary")
        connection.execute(document_summary().encode())
        connection.execute(f"alter table document add column summary text generated always as ({made}) stored".encode())
