"""Who did what, to whose record, when and by which rule. Lines are added, never changed."""
