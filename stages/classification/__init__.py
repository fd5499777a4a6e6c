"""What a classifier itself is worth: scores of its calls, and its calibration."""
