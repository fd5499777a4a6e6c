"""Files between stages: where each lies, atomic writing, locks, resuming; tiles and their index."""
