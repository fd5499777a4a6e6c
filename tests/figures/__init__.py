"""Tests of stages.figures."""
