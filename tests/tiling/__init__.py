"""Tests of stages.tiling."""
