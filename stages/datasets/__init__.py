"""Readers of data sets as publishers and people lay them out."""
