"""The report's parts: tables, the viewer's data, the page."""

import base64
import json
import math
import re
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest

from stages.figures.report.page import HERE, Picture, Section, figure, viewer_html, write_page
from stages.figures.report.tables import cell_text, flat, html_table, ms_text
from stages.figures.report.viewer import (
    ViewerMaps,
    ViewerModel,
    ViewerTile,
    choose_viewer_tiles,
    to_bytes,
    viewer_data,
)


class Elements(HTMLParser):
    """Collects the elements of a page and whatever they fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.fetched: list[str] = []
        self.ids: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.names.append(tag)
        self.ids += [given["id"]] if "id" in given else []
        self.fetched += [given[key] for key in ("src", "href") if key in given]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (math.nan, "-"),
        (3e-6, "3e-06"),
        (0.0, "0"),
        (True, "yes"),
        (0.5, "0.500"),
        (5e-4, "0.0005"),
        (1234.5, "1234"),
        (7, "7"),
    ],
)
def test_a_cell_says_what_is_known(value, text):
    assert cell_text(value) == text


def test_a_table_escapes_what_it_shows_and_has_every_column_once():
    text = html_table("<b>", {"a&b": {"x": 1}, "c": {"y": None, "x": 0.25}})
    assert Elements(text).names.count("th") == 3 + 2
    for part in ("&lt;b&gt;", "a&amp;b", "<td>0.250</td><td>-</td>", "<td>1</td><td>-</td>"):
        assert part in text, part


def test_nested_metrics_become_columns():
    assert flat({"a": {"b": 1, "c": {"d": 2}}, "e": 3}) == {"a.b": 1, "a.c.d": 2, "e": 3}


def test_maps_are_scaled_each_by_itself_and_a_constant_one_shows_nothing():
    maps = np.array([[[0.0, 1.0], [2.0, 4.0]], [[-3, -3], [-3, -3]], [[1e-7, 2e-7], [1e-7, 3e-7]]])
    assert to_bytes(maps).tolist() == [[[0, 64], [128, 255]], [[0, 0], [0, 0]], [[0, 128], [0, 255]]]


def test_tiles_are_chosen_from_every_kind_and_good_ones_last():
    classes = np.array(["good"] * 10 + ["a"] * 8 + ["b"] * 1 + ["c"] * 20, object)
    chosen = choose_viewer_tiles(classes, classes != "good", 9)
    assert len(set(chosen.tolist())) == len(chosen)
    kinds = classes[chosen].tolist()
    assert kinds == ["a"] * 2 + ["b"] + ["c"] * 2 + ["good"] * 3
    assert choose_viewer_tiles(classes, classes != "good", 9).tolist() == chosen.tolist()


def test_no_defective_tile_leaves_only_good_ones():
    chosen = choose_viewer_tiles(np.array(["good"] * 4, object), np.zeros(4, bool), 6)
    assert len(chosen) == 2


@pytest.fixture
def data():
    truth = np.zeros((16, 16), bool)
    truth[2:5, 3] = True
    image = np.full((16, 16, 3), (200, 40, 40), np.uint8)
    tile = ViewerTile("board.jpg@0,0", "defective", "short</script>", image, {"exact": truth})
    maps = ViewerMaps(np.arange(8, dtype=np.float32).reshape(1, 2, 2, 2), ("min", "max"), (0.0, 0.5), 8.0, 1.5)
    return viewer_data([tile], {"net": ViewerModel("vit", np.array([0.75]), {"rollout": maps})}, 0.25)


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


def test_the_page_fetches_nothing_and_its_data_cannot_end_the_script(data):
    picture = Picture("a < b", png=b"\x89PNG")
    sections = [
        Section("Verdict", "<p>x</p>"),
        Section("Look", viewer_html(("boxes", "exact"), 127)),
        Section("P", figure(picture)),
    ]
    text = write_page("A & B", sections, data)
    page = Elements(text)
    assert len(page.ids) == len(set(page.ids))
    assert all(address.startswith(("#", "data:")) for address in page.fetched), page.fetched
    assert "short</script>" not in text
    embedded = text.split('id="viewer-data">')[1].split("</script>")[0]
    assert json.loads(embedded) == data
    assert "http" not in text.replace("http://www.w3.org", "")


@pytest.mark.parametrize(("ms", "text"), [(51.04, "51.0"), (1.0, "1.0"), (0.123, "0.12"), (3e-6, "3e-06")])
def test_milliseconds_have_a_decimal_and_small_ones_their_digits(ms, text):
    assert ms_text(ms) == text


@pytest.mark.parametrize(
    ("threshold", "lowest", "value"), [(127, "0", "127"), (60.0, "0", "60"), (100.3, "0.3", "100.3")]
)
def test_the_slider_begins_at_the_threshold_and_can_come_back_to_it(threshold, lowest, value):
    assert f'min="{lowest}" max="255" step="1" value="{value}"' in viewer_html((), threshold)


def test_the_viewer_knows_by_which_probability_a_tile_counts_as_good(data):
    assert data["probability_threshold"] == 0.25
    edge = np.nextafter(0.25, 1)  # above it by the smallest step: not rounded away
    said = viewer_data([], {"net": ViewerModel("cnn", np.array([edge]), {})}, 0.25)
    assert said["models"]["net"]["probability"][0] > said["probability_threshold"]
    script = (HERE / "viewer.js").read_text(encoding="utf-8")
    assert not re.search(r"\b(0\.5|127)\b", script.replace("+ 0.5", "").replace("- 0.5", "")), "a threshold"


def test_a_drawing_keeps_its_svg_and_says_what_it_is():
    text = figure(Picture('a "plot"', svg='<?xml version="1.0"?><svg width="1"></svg>'))
    assert text.startswith("<figure><svg role=")
    assert "a &quot;plot&quot;" in text
