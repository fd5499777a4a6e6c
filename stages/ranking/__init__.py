"""From scores to ranks, differences with intervals, and a verdict."""
