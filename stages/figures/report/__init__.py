"""The report: one page that carries everything and needs no network."""
