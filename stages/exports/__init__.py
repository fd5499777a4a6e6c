"""Trained models as one file each that runs without PyTorch: the graph, its metadata, and the proof that both agree."""
