"""The oncology record (dossier communicant de cancérologie, DCC)."""
