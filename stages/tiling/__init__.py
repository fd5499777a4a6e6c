"""From source images to tiles: cutting, labels, splits and their leaks, the numbers of the data card."""
