"""Backends: what turns a graph into the files of a chip, and the machine descriptions they share."""
