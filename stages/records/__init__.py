"""Files between stages: where each lies, writing that is whole or not at all, locks, hashes; tiles and tables."""
