"""Tests of stages/studies/."""
