"""Fitting a classifier: the loop, its engine and checkpoints, and the search for its hyper-parameters."""
