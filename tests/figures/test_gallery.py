"""The gallery: which tiles it shows, and that its file is a small PNG with the same bytes each time."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from stages.figures.gallery import GalleryTile, choose_tiles, draw_gallery


def kinds(probability, defective, count=8):
    probability, defective = np.array(probability), np.array(defective, bool)
    chosen = choose_tiles(probability, defective, 0.5, count)
    return [(bool(defective[place]), bool(probability[place] > 0.5)) for place in chosen]


HIT, MISS, ALARM, CORRECT = (True, True), (True, False), (False, True), (False, False)


def test_eight_rows_of_all_kinds():
    probability = np.linspace(0, 1, 40)
    defective = np.arange(40) % 2 == 0
    assert kinds(probability, defective) == [HIT] * 4 + [MISS] + [ALARM] + [CORRECT] * 2


def test_the_most_certain_false_alarm_is_shown():
    probability = np.array([0.6, 0.9, 0.7, 0.1])
    chosen = choose_tiles(probability, np.zeros(4, bool), 0.5, 2)
    assert chosen.tolist() == [1, 3]


def test_a_perfect_classifier_and_few_tiles():
    assert kinds([0.9, 0.8, 0.1, 0.2], [1, 1, 0, 0]) == [HIT, HIT, CORRECT, CORRECT]
    assert kinds([0.9] * 20, [1] * 20) == [HIT] * 8
    assert kinds([], []) == []


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=30), st.integers(1, 12))
def test_chosen_tiles_are_distinct_and_as_many_as_there_can_be(tiles, count):
    probability = np.array([value for value, _ in tiles])
    defective = np.array([label for _, label in tiles], bool)
    chosen = choose_tiles(probability, defective, 0.5, count)
    assert len(chosen) == len(set(chosen)) == min(count, len(tiles))
    assert chosen.tolist() == choose_tiles(probability, defective, 0.5, count).tolist()
    shown = {(bool(defective[place]), bool(probability[place] > 0.5)) for place in chosen}
    there = {(bool(d), bool(p > 0.5)) for p, d in zip(probability, defective, strict=True)}
    assert len(shown) >= min(len(there), count)


def tile(defective, probability, truths=("boxes", "exact"), px=224):
    rng = np.random.default_rng(0)
    box = np.zeros((px, px), bool)
    box[px // 4 : px // 2, px // 4 : px // 2] = defective
    heatmap = np.add.outer(np.arange(px), np.arange(px)).astype(np.float32)
    noise = rng.integers(0, 256, (px, px, 3), dtype=np.uint8)
    said = probability > 0.5
    return GalleryTile(
        image=noise,
        truths=dict.fromkeys(truths, box),
        heatmap=heatmap,
        prediction=(heatmap > px) & said,
        probability=probability,
        defective=defective,
        predicted_defective=said,
        hits={kind: truths.index(kind) == 0 for kind in truths},
    )


@pytest.mark.parametrize(
    ("defective", "probability", "verdict"),
    [(True, 0.9, "found"), (True, 0.1, "missed"), (False, 0.9, "false alarm"), (False, 0.1, "correct")],
)
def test_verdicts(defective, probability, verdict):
    assert tile(defective, probability, px=8).verdict == verdict


def test_the_verdict_is_the_classifiers_and_the_place_the_heatmaps():
    assert tile(True, 0.1, px=8).place == "peak in box, off mask"
    assert tile(True, 0.9, ("exact",), px=8).place == "peak in mask"
    assert replace(tile(True, 0.9, px=8), hits={"boxes": None}).place == "peak n/a box"
    assert tile(False, 0.9, px=8).place == tile(True, 0.9, (), px=8).place == ""


def test_the_same_tiles_give_the_same_bytes(tmp_path):
    tiles = [tile(True, 0.9, px=32), tile(False, 0.1, px=32)]
    for name in ("a.png", "b.png"):
        draw_gallery(tmp_path / name, tiles, "net, cam")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.format == "PNG"
        assert picture.width > 800


@pytest.mark.parametrize("truths", [(), ("exact",), ("boxes",)])
def test_any_truth_can_be_absent_and_a_heatmap_constant(tmp_path, truths):
    plain = tile(True, 0.9, truths, px=16)
    constant = GalleryTile(
        image=np.zeros((16, 16, 3), np.uint8),
        truths={},
        heatmap=np.ones((16, 16), np.float32),
        prediction=np.zeros((16, 16), bool),
        probability=0.2,
        defective=False,
        predicted_defective=False,
        hits={},
    )
    draw_gallery(tmp_path / "g.png", [plain, constant], "net, cam")
    assert (tmp_path / "g.png").stat().st_size > 0
