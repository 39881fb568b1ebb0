"""Flipped bits of the tables: which an input can reach, which images show them, whether execution does."""
