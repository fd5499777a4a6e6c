"""Tests of stages.ranking."""
