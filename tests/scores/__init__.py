"""Tests of stages.scores."""
