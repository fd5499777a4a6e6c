"""VOC XML: boxes by hand, what today's tools write, and one clear error for every broken annotation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.datasets.images import Box
from stages.datasets.marks import Marks
from stages.datasets.truths import AUTO
from stages.datasets.voc_xml import read_voc_xml
from stages.runtime.errors import InputError
from tests.datasets.small_sets import NAMES, noise, voc, write_pixels, write_text


def read_beside(path, height=40, width=60):
    """Read an XML file beside an image of this size."""
    return read_voc_xml(path, write_pixels(path.with_suffix(".png"), noise(height, width)), AUTO)


def test_one_based_inclusive_becomes_half_open(tmp_path):
    path = write_text(tmp_path / "a.xml", voc(60, 40, (1, 2, 60, 40), (11, 21, 12, 23)))
    assert read_beside(path) == Marks((Box(0, 1, 60, 40, "short"), Box(10, 20, 12, 23, "short")), shape=(40, 60))


def test_a_zero_minimum_counts_as_the_first_pixel(tmp_path):
    path = write_text(tmp_path / "a.xml", voc(60, 40, (0, 0, 5, 6)))
    assert read_beside(path).boxes == (Box(0, 0, 5, 6, "short"),)


@given(st.tuples(*[st.integers(-3, 13)] * 4))
def test_a_box_is_inside_or_refused(tmp_path_factory, corners):
    path = write_text(tmp_path_factory.mktemp("voc") / "a.xml", voc(10, 8, corners))
    x_min, y_min, x_max, y_max = corners
    inside = 0 <= x_min <= x_max <= 10 and 0 <= y_min <= y_max <= 8 and min(x_max, y_max) >= 1
    if inside and (x_min < x_max or y_min < y_max):
        (box,) = read_beside(path, 8, 10).boxes
        assert 0 <= box.x_min < box.x_max <= 10
        assert 0 <= box.y_min < box.y_max <= 8
        assert (box.x_max - box.x_min) * (box.y_max - box.y_min) >= (x_max - x_min) * (y_max - y_min)
    else:
        with pytest.raises(InputError, match=r"a\.xml: object 1"):
            read_beside(path, 8, 10)


BOMB = '<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;&b;">]><annotation><x>&c;</x></annotation>'
EXTERNAL = '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]><annotation><x>&b;</x></annotation>'
WRONG = {
    "empty": ("", "not readable as XML"),
    "cut": (voc(60, 40, (1, 1, 5, 5))[:-30], "not readable as XML"),
    "binary": ("\x00\x01", "not readable as XML"),
    "encoding": ('<?xml version="1.0" encoding="no-such"?><annotation/>', "not readable as XML"),
    "bomb": (BOMB, "declares entities"),
    "external": (EXTERNAL, "declares entities"),
    "word": (voc(60, 40).replace("60", "wide"), "<size> says 'wide' x '40', not numbers"),
    "negative size": (voc(-60, 40), "<size> says '-60' x '40', not numbers"),
    "huge size": (voc(10**6, 10**6), "<size> says '1000000' x '1000000', not numbers"),
    "min above max": (
        voc(60, 40, (1, 1, 5, 5), (9, 1, 5, 5)),
        r"object 2: box x 9\.\.5.*min must not be more than max",
    ),
    "a point": (voc(60, 40, (5, 7, 5, 7)), r"object 1: .*y 7\.\.7 is a single point, as an accidental click"),
    "whole pixel outside": (voc(60, 40, (1, 1, "61.0", 5)), "is outside the image"),
    "before the first": (voc(60, 40, (0, 1, 0, 5)), "is outside the image"),
    "outside": (voc(60, 40, (1, 1, 61, 5)), "object 1: .*is outside the image of 60x40 px"),
    "below": (voc(60, 40, (1, 1, 6, 41)), "is outside the image"),
    "negative": (voc(60, 40, (-1, 1, 6, 5)), "is outside the image"),
    "nan": (voc(60, 40, ("nan", 1, 6, 5)), "object 1: <bndbox/xmin> is 'nan', not a number"),
    "huge": (voc(60, 40, ("1e999", 1, 6, 5)), "<bndbox/xmin> is '1e999', not a number"),
    "no box": (voc(60, 40, (1, 1, 6, 5)).replace("bndbox", "mask"), "object 1: no <bndbox>, but <name>, <mask>;"),
    "rotated": (voc(60, 40, (1, 1, 6, 5)).replace("bndbox", "robndbox"), "a rotated box; draw it upright"),
    "good": (voc(60, 40, (1, 1, 6, 5), name="Good"), "'Good', which cannot be a kind of defect because it means good"),
    "ok": (voc(60, 40, (1, 1, 6, 5), name="OK"), "'OK', which cannot be a kind of defect"),
    "capitals": (voc(60, 40, (1, 1, 6, 5)).replace("object>", "Object>"), "no VOC annotation .<Object> not in an <obj"),
    "CVAT": ('<annotations><image id="0"><box/></image></annotations>', "no VOC annotation .<box> not in an <object>"),
    "a namespace": (voc(60, 40, (1, 1, 6, 5)).replace("<annotation>", '<annotation xmlns="u">'), "no VOC annotation"),
    "of something else": (voc(60, 40).replace("annotation>", "report>"), "<report> in place of <annotation>"),
    "GBK": (b"<annotation><folder>\xbb\xae\xba\xdb</folder><a></annotation>", "not UTF-8 but seems to be GBK; save"),
    "no text": (b"<annotation>\xff\xff\xff</annotation>", "it is not UTF-8"),
    "no name": (voc(60, 40, (1, 1, 6, 5), name=""), "object 1: <name> is missing"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_annotation_is_refused(tmp_path, case):
    content, message = WRONG[case]
    path = tmp_path / "wrong.xml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=rf"wrong\.xml: .*{message}") as raised:
        read_beside(path)
    assert "\n" not in str(raised.value)


def test_every_corner_is_required(tmp_path):
    for key in NAMES:
        text = voc(60, 40, (1, 1, 5, 5)).replace(f"<{key}>", "<other>").replace(f"</{key}>", "</other>")
        with pytest.raises(InputError, match=f"object 1: <bndbox/{key}> is missing"):
            read_beside(write_text(tmp_path / "a.xml", text))


def test_a_row_of_pixels_has_equal_minimum_and_maximum(tmp_path):
    path = write_text(tmp_path / "a.xml", voc(60, 40, (1, 7, 5, 7), (60, 2, 60, 40)))
    assert read_beside(path).boxes == (Box(0, 6, 5, 7, "short"), Box(59, 1, 60, 40, "short"))


def test_decimals_may_lie_a_fraction_of_a_pixel_outside(tmp_path):
    path = write_text(tmp_path / "a.xml", voc(60, 40, (-0.4, 1.2, 60.6, 5.4), (3.1, 3.2, 3.4, 9.0)))
    assert read_beside(path).boxes == (Box(0, 0, 60, 5, "short"), Box(2, 2, 3, 9, "short"))


def test_every_box_of_an_object_counts(tmp_path):
    """As ybat writes them: two <bndbox> in one <object>."""
    two = voc(60, 40, (1, 2, 3, 4), (11, 21, 12, 23)).replace(
        "</bndbox></object><object><name>short</name>", "</bndbox>"
    )
    assert two.count("<object>") == 1
    path = write_text(tmp_path / "a.xml", two)
    assert read_beside(path).boxes == (Box(0, 1, 3, 4, "short"), Box(10, 20, 12, 23, "short"))


@pytest.mark.parametrize("size", ["", "<size/>", "<size><width>0</width><height>0</height></size>"])
def test_a_missing_size_is_that_of_the_image(tmp_path, size):
    image = write_pixels(tmp_path / "a.png", noise(40, 60))
    text = voc(60, 40, (1, 1, 60, 40))
    text = text.replace(text[text.index("<size>") : text.index("</size>") + 7], size)
    found = read_voc_xml(write_text(tmp_path / "a.xml", text), image, AUTO)
    assert (found.boxes, found.shape) == ((Box(0, 0, 60, 40, "short"),), None)
    with pytest.raises(InputError, match="outside the image of 60x40 px"):
        read_voc_xml(write_text(tmp_path / "a.xml", text.replace("<xmax>60", "<xmax>61")), image, AUTO)


def test_a_wrong_size_is_named_rather_than_the_box_that_it_leaves_outside(tmp_path):
    image = write_pixels(tmp_path / "a.png", noise(40, 60))
    path = write_text(tmp_path / "a.xml", voc(40, 60, (1, 1, 50, 30)))
    with pytest.raises(InputError, match=r"a\.xml: <size> says 40x60 px but a\.png is 60x40 px"):
        read_voc_xml(path, image, AUTO)


@pytest.mark.parametrize("encoding", ["gbk", "gb2312", "GB18030", "utf-16", "utf-8-sig", "windows-1252"])
def test_declared_encodings_are_read(tmp_path, encoding):
    name = "rayé" if encoding == "windows-1252" else "划痕"
    declared = "" if encoding == "utf-8-sig" else f'<?xml version="1.0" encoding="{encoding}"?>'
    path = tmp_path / "a.xml"
    path.write_bytes((declared + voc(60, 40, (1, 1, 5, 5), name=name)).encode(encoding))
    assert read_beside(path).boxes[0].name == name
