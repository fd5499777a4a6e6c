"""Tests of stages.heatmaps."""
