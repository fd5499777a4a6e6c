"""Tests of stages.faithfulness."""
