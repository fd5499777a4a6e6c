"""Commands beside the pipeline, for those who develop it or review its results."""
