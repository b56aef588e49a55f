"""Alembic loads this file by its path."""

from passerelle_ops.migrations import environment

environment.run()
