"""Tests of stages.models."""
