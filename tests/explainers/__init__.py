"""Tests of stages.explainers."""
