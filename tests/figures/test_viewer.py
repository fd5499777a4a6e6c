"""The report's viewer: its data can be decoded, its slider begins at the threshold."""

import base64
import json
import re

import cv2
import numpy as np
import pandas as pd
import pytest

from stages.figures.report.page import HERE
from stages.figures.report.viewer import ViewerMaps, ViewerModel, section, to_bytes, viewer_data
from stages.figures.tile_pictures import TilePictures
from stages.runtime.errors import InputError

INDEX = pd.DataFrame({"tile_id": ["board.jpg@0,0"], "label": ["defective"], "defect_class": ["short</script>"]})


def shown(probability=0.75):
    """Return the arguments of the viewer, but for the thresholds: one tile, one model."""
    truth = np.zeros((1, 16, 16), bool)
    truth[0, 2:5, 3] = True
    tiles = TilePictures(np.full((1, 16, 16, 3), (200, 40, 40), np.uint8), {"exact": truth})
    maps = ViewerMaps(np.arange(8, dtype=np.float32).reshape(1, 2, 2, 2), ("min", "max"), (0.0, 0.5), 8.0, 1.5)
    return INDEX, tiles, {"net": ViewerModel("vit", np.array([probability]), {"rollout": maps})}


@pytest.fixture
def data():
    return viewer_data(*shown(), 0.25)


def test_maps_are_scaled_each_by_itself_and_a_constant_one_shows_nothing():
    maps = np.array([[[0.0, 1.0], [2.0, 4.0]], [[-3, -3], [-3, -3]], [[1e-7, 2e-7], [1e-7, 3e-7]]])
    assert to_bytes(maps).tolist() == [[[0, 64], [128, 255]], [[0, 0], [0, 0]], [[0, 128], [0, 255]]]


def test_what_the_viewer_reads_can_be_decoded(data):
    tile, maps = data["tiles"][0], data["models"]["net"]["methods"]["rollout"]
    packed = np.frombuffer(base64.b64decode(tile["truths"]["exact"]), np.uint8)
    assert np.argwhere(np.unpackbits(packed).reshape(16, 16)).tolist() == [[2, 3], [3, 3], [4, 3]]
    jpeg = base64.b64decode(tile["image"].removeprefix("data:image/jpeg;base64,"))
    pixels = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR_RGB)
    assert np.abs(pixels.astype(int) - (200, 40, 40)).max() < 8
    values = np.frombuffer(base64.b64decode(maps["values"]), np.uint8).reshape(1, 2, 2, 2)
    assert values[0, 1].tolist() == [[0, 85], [170, 255]]
    assert (maps["cell_px"], maps["offset_px"], data["models"]["net"]["probability"]) == (8.0, 1.5, [0.75])


def test_the_data_stands_in_the_page_and_cannot_end_its_script(data):
    text = section(*shown(), 127, 0.25)
    assert "short</script>" not in text
    embedded = text.split('id="viewer-data">')[1].split("</script>")[0]
    assert json.loads(embedded) == data


@pytest.mark.parametrize(
    ("threshold", "lowest", "value"), [(127, "0", "127"), (60.0, "0", "60"), (100.3, "0.3", "100.3")]
)
def test_the_slider_begins_at_the_threshold_and_can_come_back_to_it(threshold, lowest, value):
    assert f'min="{lowest}" max="255" step="1" value="{value}"' in section(*shown(), threshold, 0.5)


def test_the_viewer_knows_by_which_probability_a_tile_counts_as_good():
    edge = np.nextafter(0.25, 1)  # above it by the smallest step: not rounded away
    data = viewer_data(*shown(edge), 0.25)
    assert data["models"]["net"]["probability"][0] > data["probability_threshold"] == 0.25
    script = (HERE / "viewer.js").read_text(encoding="utf-8")
    assert not re.search(r"\b(0\.5|127)\b", script.replace("+ 0.5", "").replace("- 0.5", "")), "a threshold"


def test_where_no_tile_is_known_to_be_good_every_one_counts_as_defective():
    assert viewer_data(*shown(np.nan), 0.5)["models"]["net"]["probability"] == [1.0]


def test_without_a_test_tile_there_is_nothing_to_look_at():
    with pytest.raises(InputError, match="no test tile has heatmaps"):
        section(INDEX[:0], TilePictures(np.empty((0, 16, 16, 3), np.uint8), {}), {}, 127, 0.5)
