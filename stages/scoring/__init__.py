"""From heatmaps and truth to scores of every explanation: tiles -> methods -> measure -> choice -> tables."""
