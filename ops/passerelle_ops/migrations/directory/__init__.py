"""The history of the directory database."""
