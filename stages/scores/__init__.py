"""Scores on disk: written by score, read by draw, perturb and rank."""
