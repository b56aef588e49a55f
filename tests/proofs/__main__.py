"""What a planted fault runs against, in a process of its own: `python -m tests.proofs hunt|summaries ARGUMENT…`.

Nothing is collected: half of such a process would be loading, and its worlds are few.
"""

from __future__ import annotations

import gc
import sys
from importlib import import_module

if __name__ == "__main__":
    gc.disable()
    sys.exit(import_module(f"tests.proofs.{sys.argv[1]}").main(*sys.argv[2:]))
