"""The networks: which there are, how one is set up, and what travels between them."""
