"""One module for each measure, found by its name: `run(settings, *, dsn: str | None, as_json: bool) -> int`."""
