"""Tests of stages.records."""
