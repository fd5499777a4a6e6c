"""Explanation methods, one file each, and how long they take."""
