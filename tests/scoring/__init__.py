"""Tests of stages.scoring."""
