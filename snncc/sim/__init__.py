"""Engines for levels and spikes on this machine, and the evaluation of data sets."""
