"""The worker, by which notes travel: `python -m tests.federation.note_worker`."""

from __future__ import annotations

import sys

from passerelle_ops.worker import main
from passerelle_tenants.federation.travellers import Kinds
from tests.federation.exchange import Note

if __name__ == "__main__":
    sys.exit(main(kinds=Kinds((Note(),))))
