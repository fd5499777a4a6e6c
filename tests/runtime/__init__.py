"""Tests of stages.runtime."""
