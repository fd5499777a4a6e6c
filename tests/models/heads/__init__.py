"""Tests of stages.models.heads."""
