"""Backup and restore of a network and of the directory, and the ledger of what a restore must not undo.

    making     one snapshot → an archive (sealed to the operator, signed by the network) and a pool of contents
    restoring  an archive, and the ledger since → a database and contents, closed until nothing is wider than it was
    rehearsing the same into a place of its own, compared and thrown away
    keeping    the worker's turn: what narrowed and what was filed → the ledger, outside the database

`envelope` is the cipher, `archive` the form, `places` where it lies, `dump` PostgreSQL's part (docs/decisions/0142).
"""
