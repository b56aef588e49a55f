"""What comes in, read: CDA R2, IHE XDM, PDF with its metadata. What goes out, shown: our own HTML of a CDA.

Every reader gives the same neutral `submission` and refuses with InvalidInput; no other exception leaves a
reader, whatever it is fed.
"""
