"""The table of data sets."""

import pytest

from stages.datasets.sources import SOURCES, find_source
from stages.runtime.errors import InputError


def test_every_data_set_can_be_had():
    assert list(SOURCES) == ["boards", "pcb", "neu_det", "magnetic_tile", "casting"]
    for source in SOURCES.values():
        assert source.generated != (source.kaggle is not None)
        assert source.licence


def test_an_unknown_name_is_refused():
    with pytest.raises(InputError, match=r"dataset\.name is 'pcbs'; use one of boards, pcb"):
        find_source("pcbs")
