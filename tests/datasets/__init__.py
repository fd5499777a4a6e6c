"""Tests of stages.datasets."""
