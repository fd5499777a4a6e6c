"""Rendering: defects look like the rest of the board, nothing changes far from them, photographs stay aligned."""

import dataclasses

import cv2
import numpy as np
import pytest

from stages.boards.camera import photograph
from stages.boards.defects import changed_mask, paint_defects
from stages.boards.layers import coverage
from stages.boards.paint import REACH_PX, board_texture, paint, repaint


@pytest.fixture(scope="module")
def scene(board):
    design, clean = board
    texture = board_texture(design.height, design.width, np.random.default_rng(1))
    return design, clean, texture, paint(clean, design.style, texture)


def view_of(scene, kind, seed=2):
    design, clean, texture, image = scene
    layers, defects = paint_defects(clean, design, kind, 3, np.random.default_rng(seed))
    windows = [defect.bounds for defect in defects]
    return layers, changed_mask(clean, layers), repaint(image, layers, design.style, texture, windows)


@pytest.mark.parametrize("kind", ["missing_hole", "short", "open_circuit"])
def test_painting_windows_equals_painting_everything(scene, kind):
    design, _, texture, _ = scene
    layers, _, view = view_of(scene, kind)
    np.testing.assert_allclose(view, paint(layers, design.style, texture), atol=0.01)


def test_the_clean_painting_is_not_changed_and_equals_the_view_away_from_the_mask(scene):
    design, clean, texture, image = scene
    _, mask, view = view_of(scene, "spur")
    np.testing.assert_array_equal(image, paint(clean, design.style, texture))
    near = cv2.dilate(mask, np.ones((2 * REACH_PX + 3,) * 2, np.uint8)) > 0
    assert near.any()
    assert not near.all()
    np.testing.assert_allclose(view[:, ~near], image[:, ~near], atol=1e-3)
    assert np.abs(view - image)[:, mask > 0].mean() > 10  # and it is to be seen


@pytest.mark.parametrize(("kind", "material"), [("short", 1.0), ("spur", 1.0), ("open_circuit", 0.0)])
def test_a_defect_has_the_colours_of_what_it_imitates(scene, kind, material):
    """The median colour well inside added (removed) copper is that of clean copper (substrate) under solder mask."""
    design, clean, _, image = scene
    _, mask, view = view_of(scene, kind)
    inner = cv2.erode(mask, np.ones((5, 5), np.uint8)) > 0
    covered = coverage(clean.opening | clean.silk | clean.drill)
    same = (coverage(clean.copper) == material) & (cv2.dilate(covered, np.ones((13, 13))) == 0)
    same = cv2.erode(same.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    difference = np.median(view[:, inner], 1) - np.median(image[:, same], 1)
    contrast = np.abs(np.subtract(design.style.copper, design.style.substrate)).max()
    assert np.abs(difference).max() < 0.15 * contrast


def test_a_photograph_is_aligned_and_differs_by_light_and_noise_only(scene):
    design, _, _, image = scene
    first, second = (photograph(image, design.style, np.random.default_rng(seed)) for seed in (1, 2))
    assert first.shape == (design.height, design.width, 3)
    assert first.dtype == np.uint8
    assert not np.array_equal(first, second)
    smooth = [cv2.GaussianBlur(photo.astype(np.float32), (0, 0), 3) for photo in (first, second)]
    assert np.abs(smooth[0] - smooth[1]).max() < 0.12 * 255
    for channel in range(3):
        assert np.corrcoef(smooth[0][..., channel].ravel(), smooth[1][..., channel].ravel())[0, 1] > 0.99


def test_noise_has_the_strength_that_the_style_says(scene):
    design, *_ = scene
    style = dataclasses.replace(design.style, gradient=0.0, white_balance=(1.0, 1.0, 1.0), noise=3.0)
    grey = np.full((3, 400, 400), 128, np.float32)
    photo = photograph(grey, style, np.random.default_rng(0)).astype(float)
    # Per channel sqrt(2) * 0.71 * 3 * sqrt(1.1), damped by the 3 x 3 filter of standard deviation 0.45.
    kernel = cv2.getGaussianKernel(3, 0.45)
    expected = np.sqrt(2 * 1.1) * 0.71 * 3.0 * (kernel**2).sum()
    assert photo.std((0, 1)) == pytest.approx(expected, rel=0.05)
