"""Tests of stages.metrics."""
