"""Notices: what people are told of, once, with the proof that it reached them."""
