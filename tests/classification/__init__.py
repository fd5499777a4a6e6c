"""Tests of stages.classification."""
