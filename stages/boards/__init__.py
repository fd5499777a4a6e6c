"""The generated data set: printed circuit boards with defects whose every pixel is known."""
