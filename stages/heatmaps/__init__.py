"""Heatmaps on disk: written by explain, read by all that look at them."""
