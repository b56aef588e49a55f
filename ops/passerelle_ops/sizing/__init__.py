"""What an installation of a given size needs: arithmetic over inputs that each say their unit and where they are from.

Nothing runs and nothing is read but `inputs.toml`, or a file of the same shape; `docs/scaling.md` shows the result.
"""
