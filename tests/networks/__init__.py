"""The networks: their files, their registry, how they are set up, and their databases."""
