"""Tests of stages/datasets."""
