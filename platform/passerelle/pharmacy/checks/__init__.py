"""Checks on what is about to be dispensed: what is wrong with a basket, and what could not be told."""
