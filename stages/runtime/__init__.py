"""What every stage runs in: parameters as they are read, errors, seeds, device, progress, the command line."""
