"""Synthetic French clinical documents: every common type of the DMP, every oddity seen in published samples.

`write` makes one CDA; `exchange` makes XDM packages and PDFs; `quirks` gives each oddity and each hostile file
with what must become of it. Everything is drawn from a seed; nobody in it exists.
"""
