"""Whether a model uses what its heatmaps mark: tiles with those pixels replaced are put to it again."""
