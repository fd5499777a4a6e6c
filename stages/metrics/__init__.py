"""Arrays in, numbers out: classification, localisation, choice of settings, ranking."""
