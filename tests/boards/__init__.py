"""Tests of stages.boards."""
