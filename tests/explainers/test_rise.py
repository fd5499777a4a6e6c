"""RISE by hand and by enumeration on a linear score, against a slow implementation, and bit for bit."""

import itertools
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from stages.explainers import rise
from stages.explainers.explainer import prepare_explainers
from stages.explainers.methods import Explain
from stages.explainers.settings import Methods
from stages.models.cnn import CamClassifier
from stages.models.outputs import Outputs, select_score
from stages.models.registry import Architecture
from stages.models.trained import Description
from stages.models.vit import RolloutClassifier
from stages.models.weights import SCRATCH
from stages.runtime.errors import InputError
from stages.runtime.params import read_params

HALF = (0.5, 0.5, 0.5)


class Linear(nn.Module):
    """The score is a weighted sum of the normalised pixels of the first channel, plus a bias."""

    def __init__(self, weights: Tensor, bias: float) -> None:
        super().__init__()
        self.weights, self.bias = weights, bias
        self.mean, self.std = torch.full((1, 3, 1, 1), 0.5), torch.full((1, 3, 1, 1), 0.25)

    def forward(self, images: Tensor) -> Outputs:
        return Outputs((((images - self.mean) / self.std)[:, 0] * self.weights).sum((1, 2)) + self.bias, None)


def cnn(neurons: int = 1) -> CamClassifier:
    torch.manual_seed(0)
    return CamClassifier("test_efficientnet", 16, HALF, HALF, neurons=neurons).eval()


def vit() -> RolloutClassifier:
    torch.manual_seed(0)
    return RolloutClassifier("test_vit", 48, HALF, HALF, neurons=3, depth=2).eval()


def pictures(count: int, px: int = 48) -> Tensor:
    return torch.rand(count, 3, px, px, generator=torch.Generator().manual_seed(1))


def maps(model: Any, images: Tensor, *settings: Any, **more: Any) -> Tensor:
    heatmaps = rise.explain(model, images, *settings, **more).heatmaps
    assert heatmaps is not None
    return heatmaps[:, 0]


def test_by_hand_where_a_mask_shows_all_or_nothing() -> None:
    # One cell: a mask is 1 or 0 everywhere. What is hidden scores -3 but counts for nothing; what is seen scores 5.
    model, images = Linear(torch.ones(4, 4), -3.0), torch.full((1, 3, 4, 4), 0.625)  # 16 x 0.5 - 3
    drawn = torch.cat(list(rise.draw_masks(50, 1, 0.25, 4, 7, seed=3)))
    seen = int(drawn[:, 0, 0, 0].sum())
    assert 0 < seen < 50 and torch.equal(drawn, drawn[:, :, :1, :1].expand_as(drawn))
    expected = torch.full((1, 2, 2), 5 * seen / (50 * 0.25))
    torch.testing.assert_close(maps(model, images, 1, masks=50, cells=1, probability=0.25, batch=7, seed=3), expected)


def test_it_estimates_the_mean_over_all_grids_and_places() -> None:
    """2 x 2 cells on 4 px: 16 grids x 4 places, each enlarged from 2 x 2 to 6 x 6 by hand, weighed by its chance."""
    p, weights, images = 0.3, torch.zeros(4, 4), torch.full((1, 3, 4, 4), 0.75)  # normalised: 1
    weights[0, 1], weights[3, 3] = 2.0, -1.0
    expected = np.zeros((4, 4))
    # Centres of 6 px among 2 cells: -1/3, 0, 1/3, 2/3, 1, 4/3 cells behind the first centre; beyond both, the nearest.
    first = np.array([1, 1, 2 / 3, 1 / 3, 0, 0])
    enlarge = np.stack((first, 1 - first), axis=1)
    for cells in itertools.product((0, 1), repeat=4):
        chance = math.prod(p if cell else 1 - p for cell in cells) / 4
        large = enlarge @ np.array(cells, float).reshape(2, 2) @ enlarge.T
        for y, x in itertools.product(range(2), repeat=2):
            mask = large[y : y + 4, x : x + 4]
            expected += chance * ((weights.numpy() * mask).sum() + 0.5) * mask / p
    found = maps(Linear(weights, 0.5), images, 1, masks=40_000, cells=2, probability=p, batch=4000)[0]
    torch.testing.assert_close(found.double(), torch.from_numpy(expected), atol=0.03, rtol=0)
    assert expected.max() - expected.min() > 1  # many times the tolerance


@torch.inference_mode()
@pytest.mark.parametrize(("model", "target"), [(cnn(), None), (cnn(), 0), (cnn(3), 2), (vit(), None)])
@pytest.mark.parametrize("cells", [3, 5])  # 48 px are no multiple of 5, nor of 10
def test_agrees_with_a_slow_implementation(model: Any, target: int | None, cells: int) -> None:
    images = pictures(2)
    ours = maps(model, images, target, masks=9, cells=cells, probability=0.4, batch=4, seed=5)
    drawn = list(itertools.chain(*rise.draw_masks(9, cells, 0.4, 48, 2, seed=5)))
    for number, image in enumerate(images):
        of_class = (
            int(model(image[None]).logits.argmax()) if target is None and model.head.weight.shape[0] > 1 else target
        )
        total = np.zeros((48, 48))
        for mask in drawn:
            normalised = (image - 0.5) / 0.5 * mask
            total += select_score(model((normalised * 0.5 + 0.5)[None]).logits, of_class).item() * mask[0].numpy()
        fine = (total / (9 * 0.4)).repeat(2 * cells, 0).repeat(2 * cells, 1)  # px x 2 cells: both sides divide it
        expected = fine.reshape(2 * cells, 48, 2 * cells, 48).mean(axis=(1, 3))
        torch.testing.assert_close(ours[number].double(), torch.from_numpy(expected), rtol=1e-4, atol=1e-6)


def test_masks_are_enlarged_from_whole_cells_and_shifted() -> None:
    drawn = torch.cat(list(rise.draw_masks(200, 4, 0.5, 30, 64, seed=0)))
    assert drawn.shape == (200, 1, 30, 30) and drawn.min() >= 0 and drawn.max() <= 1 + 1e-6
    assert float(drawn.mean()) == pytest.approx(0.5, abs=0.02)
    # C is 8: 4 cells become 40 px, so that from one centre to the next it is 10 px, and places are 0 to 7.
    assert float(drawn.diff(dim=-1).abs().max()) == pytest.approx(1 / 10, abs=1e-5)
    assert len({tuple(mask[0, 0].tolist()) for mask in drawn}) > 16 * 4  # 16 rows of a grid, each in several places


def test_the_same_bytes_again_and_whatever_the_batch_of_tiles() -> None:
    model, images = cnn(), pictures(5)
    settings = {"masks": 10, "cells": 3, "batch": 4}
    together = maps(model, images, 1, **settings)
    assert torch.equal(together, maps(model, images, 1, **settings))
    for place in (0, 4):
        assert torch.equal(together[place : place + 1], maps(model, images[place : place + 1], 1, **settings))
    assert not torch.equal(together, maps(model, images, 1, **settings, seed=1))
    torch.testing.assert_close(together, maps(model, images, 1, **(settings | {"batch": 10})), rtol=1e-4, atol=1e-6)


def test_masks_depend_on_the_seed_alone_and_are_drawn_in_the_same_order_in_any_batch() -> None:
    one, other = (torch.cat(list(rise.draw_masks(11, 3, 0.5, 20, batch, seed=2))) for batch in (3, 64))
    assert torch.equal(one, other)
    torch.manual_seed(99)
    assert torch.equal(one, torch.cat(list(rise.draw_masks(11, 3, 0.5, 20, 3, seed=2))))


def test_it_points_at_what_the_score_is_made_of() -> None:
    weights = torch.zeros(32, 32)
    weights[20:28, 4:12] = 1
    found = maps(Linear(weights, 0.0), torch.full((1, 3, 32, 32), 0.75), 1, masks=400, cells=4)[0]
    row, column = divmod(int(found.argmax()), 8)
    assert row in (5, 6) and column in (1, 2)  # cells of 4 px


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_the_cells_of_its_maps(scale: float) -> None:
    model = cnn()
    description = Description("x", Architecture("cnn", "test_efficientnet", 16), 56, "binary", ("good", "x"), SCRATCH)
    real = read_params().read(Explain)
    given = replace(
        real, methods=Methods(("rise",), ("rise",)), control=False, scales=(scale,), rise=rise.Rise(2, 7, 0.5, 2)
    )
    (planned,) = prepare_explainers(model, description, given)
    assert planned.cell_px == pytest.approx(4)
    heatmaps = planned.heatmaps(pictures(1, 56), None).heatmaps
    assert heatmaps is not None and heatmaps.shape == (1, 1, 14, 14)


def test_bad_input() -> None:
    with pytest.raises(InputError, match=r"explain.rise.cells is 25; expected at most half of the tile's 48 pixels"):
        maps(cnn(), pictures(1), cells=25)
    with pytest.raises(InputError, match=r"explain.rise.probability is 1; expected less than 1"):
        maps(cnn(), pictures(1), probability=1.0)
    broken = pictures(2)
    broken[1, 0, 0, 0] = torch.nan
    with pytest.raises(InputError, match="number 1 of the batch holds NaN"):
        maps(cnn(), broken, masks=2)
