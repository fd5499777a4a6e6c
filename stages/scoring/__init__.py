"""From heatmaps and truth to scores of every explanation."""
