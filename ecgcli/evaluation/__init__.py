"""Evaluation: scores computed from saved predictions."""
