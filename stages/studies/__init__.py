"""Published studies, and recipes that work for a data set, as overrides of params.yaml; and their rehearsal."""
