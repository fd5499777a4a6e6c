"""The eight stages of the pipeline (verbs) and the rooms that they share (nouns)."""
