"""Whole photographs at the line: tiles -> heatmaps -> regions, overlays and a page, by an exported model alone."""
