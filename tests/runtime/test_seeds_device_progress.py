"""Seeds repeat, devices are found or refused by name, progress bars stay away from files."""

import io
import sys

import pytest
import torch

from stages.runtime.device import choose_device, describe_device
from stages.runtime.errors import InputError
from stages.runtime.progress import progress
from stages.runtime.seeds import derive_seed


def test_derived_seeds_are_the_same_in_every_process() -> None:
    """The first eight bytes of sha256(b"0/train"), shifted right by one bit, worked out with sha256sum."""
    assert derive_seed(0, "train") == 0x3DC27BA2CFBA6126 >> 1


def test_derived_seeds_differ_by_seed_and_purpose_and_fit_63_bits() -> None:
    seeds = {derive_seed(seed, purpose, epoch) for seed in range(3) for purpose in ("train", "val") for epoch in (1, 2)}
    assert len(seeds) == 12
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_auto_takes_a_gpu_only_where_there_is_one() -> None:
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert describe_device(choose_device("cpu")) == "cpu"


@pytest.mark.parametrize("name", ["gpu", "", "cuda:99", "meta", "tpu"])
def test_a_device_that_is_not_there_is_refused_by_name(name: str) -> None:
    with pytest.raises(InputError, match=rf"params\.yaml: runtime\.device is '{name}'"):
        choose_device(name)


def test_progress_yields_everything_and_is_silent_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()  # not a terminal
    monkeypatch.setattr(sys, "stderr", written)
    assert list(progress(range(5), "tiles")) == list(range(5))
    assert list(progress(iter("ab"), "tiles", total=2)) == ["a", "b"]
    assert written.getvalue() == ""
