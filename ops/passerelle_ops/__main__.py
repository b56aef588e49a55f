"""`python -m passerelle_ops`: the command line."""

import sys

from passerelle_ops.cli import main

if __name__ == "__main__":
    sys.exit(main())
