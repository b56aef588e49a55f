"""One module for each measure, found by its name: `run(settings, *, dsn, as_json, quick) -> int`."""
