"""Recordings: signals in mV with their annotations, read, written and simulated."""
