"""The documents of oncology: board sheets (FRCP) and care plans (PPS) in CDA R2, read and written."""
