"""Params, paths, records on disk, seeds, device, progress, errors."""
