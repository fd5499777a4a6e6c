"""Tests of stages.training."""
