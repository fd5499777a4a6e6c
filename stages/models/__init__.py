"""Classifiers that return their logit and their heatmap from one forward pass."""
