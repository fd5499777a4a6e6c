"""What every test shares: one thread, so that tiny models run fast and give the same bits, no display, `params`."""

import os
from pathlib import Path

import pytest

from stages.runtime.params import Params, read_params  # imports no torch

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # before torch is imported; stages started by a test inherit it
os.environ.setdefault("MPLBACKEND", "Agg")


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """params.yaml as it is, and an empty folder to work in."""
    real = read_params()
    monkeypatch.chdir(tmp_path)
    return real
