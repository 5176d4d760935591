"""Slow, obvious twins of the fast code: loops over plain arrays, compared on random input."""
