"""Maps written in pieces: what is read back, at any scale, and what goes with several classes."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stages.heatmaps.maps import open_maps
from stages.heatmaps.new_maps import NewMaps
from stages.metrics.thesis import thesis_prediction

METHOD = {"cell_px": 8, "offset_px": 7.5, "ranges": True, "settings": [{"name": "m", "fusion": "m", "discard": 0}]}
INDEX = pd.DataFrame({"tile_id": ["a", "b", "c"], "split": "test", "label": "good"})
LOGITS = np.array([1, 2, 3], np.float32)


def write(folder: Path, maps: np.ndarray, logits: np.ndarray = LOGITS, classes: tuple[str, ...] = ("good", "bad")):
    new = NewMaps(folder, len(maps))
    new.write("lrp", np.arange(len(maps)), maps)
    new.write_logits(np.arange(len(maps)), logits)
    new.commit(len(maps))
    new.finish(INDEX, list(classes), {"family": "vit", "order": ["lrp"], "methods": {"lrp": METHOD}})
    return open_maps(folder)


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e9])
def test_maps_of_any_size_keep_their_range_and_their_thesis_prediction(tmp_path: Path, scale: float) -> None:
    maps = np.random.default_rng(0).normal(size=(3, 1, 14, 14)).astype(np.float32) * np.float32(scale)
    read = write(tmp_path, maps).primary.read(np.arange(3))
    span = np.ptp(maps, axis=(2, 3), keepdims=True)
    assert (np.abs(read - maps) / span).max() < 2**-11
    np.testing.assert_array_equal(read.min((2, 3)), maps.min((2, 3)))
    certain = np.ones(3)
    before, after = (thesis_prediction(array[:, 0], certain, 127, 0.5) for array in (maps, read))
    assert (before != after).mean() < 0.01


def test_a_nearly_constant_map_keeps_its_shape_and_a_constant_one_stays_constant(tmp_path: Path) -> None:
    maps = np.full((3, 1, 2, 2), 0.005, np.float32)
    maps[0, 0, 1, 1] += 1e-6  # float16 has steps of 4e-6 there
    read = write(tmp_path, maps).primary.read(np.arange(3))
    assert read[0, 0].argmax() == 3 and np.ptp(read[0]) > 0
    assert np.ptp(read[1]) == 0 and read[1, 0, 0, 0] == np.float32(0.005)


def test_several_classes(tmp_path: Path) -> None:
    logits = np.array([[0, 0, 0], [2, 0, 0], [0, 0, 3]], np.float32)
    opened = write(tmp_path, np.zeros((3, 1, 2, 2), np.float32), logits, ("good", "hole", "short"))
    assert list(opened.index["predicted"]) == ["good", "good", "short"]
    expected = [np.log(2), np.log(2) - 2, np.log(1 + np.exp(3))]  # log (p not good / p good)
    np.testing.assert_allclose(opened.index["logit"], expected, rtol=1e-6)
    np.testing.assert_array_equal(np.load(tmp_path / "logits.npy"), logits)


def test_without_a_good_class_there_is_no_logit(tmp_path: Path) -> None:
    opened = write(tmp_path, np.zeros((3, 1, 2, 2), np.float32), np.eye(3, dtype=np.float32), ("hole", "open", "short"))
    assert opened.index["logit"].isna().all()


def test_what_is_committed_is_gone_on_with(tmp_path: Path) -> None:
    first = NewMaps(tmp_path, 3)
    first.write("lrp", np.arange(2), np.ones((2, 1, 2, 2), np.float32) * [[[[1, 2], [3, 4]]]])
    first.commit(2)
    second = NewMaps(tmp_path, 3)
    assert second.done == 2
    second.write("lrp", np.array([2]), np.ones((1, 1, 2, 2), np.float32))
    second.commit(3)
    assert np.load(tmp_path / "lrp_range.npy")[:, 0].tolist() == [[1, 4], [1, 4], [1, 1]]
