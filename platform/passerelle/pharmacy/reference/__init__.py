"""Reference data from public files: loaded by edition, looked up, never changed in place."""
