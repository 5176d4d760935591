"""Candidate generators: from a history to a ranked list of items."""
