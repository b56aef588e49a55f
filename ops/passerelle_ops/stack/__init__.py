"""The running ground: embedded PostgreSQL and Valkey, and the supervisor of every process of an installation."""
