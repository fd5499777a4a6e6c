"""Arrays in, numbers out: scores of heatmaps, their intervals, faithfulness."""
