"""Passes: each turns a graph into another graph; one file per pass, named after it."""
