"""Architectures with named outputs, their weights and geometry, and how a trained one lies on disk."""
