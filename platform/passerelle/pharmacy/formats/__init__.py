"""What pharmacies and prescribers exchange as documents, read: eP-MED-DM prescriptions, eDISP-MED dispensations.

Every reader gives plain values and refuses with InvalidInput; no other exception leaves it, whatever it is fed.
"""
