"""The pharmacy record (DP, dossier pharmaceutique): what was dispensed, by window, and what is wrong with it."""
