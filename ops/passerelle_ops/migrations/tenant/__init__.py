"""The history of a tenant's database."""
