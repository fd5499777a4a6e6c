"""What every test shares: one thread, so that tiny models run fast and give the same bits, and no display."""

import os

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # before torch is imported; stages started by a test inherit it
os.environ.setdefault("MPLBACKEND", "Agg")
