"""Tests of stages.tools."""
