"""Data sets: sources, readers, generated boards, tiles, splits."""
