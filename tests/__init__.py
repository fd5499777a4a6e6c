"""Tests; the folders mirror those of `stages`."""
