"""Pictures; never computes a metric."""
