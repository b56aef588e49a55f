"""The tests. This file keeps folders under `tests/` from shadowing anything, even in importlib mode."""
