"""Cross entropy: values worked out by hand, weights that balance classes."""

import math

import numpy as np
import pytest
import torch

from stages.training.loss import balanced_weights, dense_negatives, mean_loss


def test_one_neuron() -> None:
    logits = torch.tensor([0.0, math.log(3)])  # probabilities of a defect 1/2 and 3/4
    expected = (-math.log(1 / 2) - math.log(1 / 4)) / 2
    assert mean_loss(logits, torch.tensor([1, 0])).item() == pytest.approx(expected, rel=1e-6)
    weighted = mean_loss(logits, torch.tensor([1, 0]), torch.tensor([0.5, 1.5])).item()
    assert weighted == pytest.approx((-1.5 * math.log(1 / 2) - 0.5 * math.log(1 / 4)) / 2, rel=1e-6)


def test_one_neuron_per_class() -> None:
    logits = torch.log(torch.tensor([[0.2, 0.3, 0.5], [0.1, 0.8, 0.1]]))
    codes = torch.tensor([2, 0])
    assert mean_loss(logits, codes).item() == pytest.approx((-math.log(0.5) - math.log(0.1)) / 2, rel=1e-6)
    weighted = mean_loss(logits, codes, torch.tensor([2.0, 1.0, 0.5])).item()
    assert weighted == pytest.approx((-0.5 * math.log(0.5) - 2 * math.log(0.1)) / 2, rel=1e-6)


def test_two_neurons_and_the_one_of_their_difference_agree() -> None:
    pairs, codes = torch.randn(9, 2), torch.arange(9) % 2
    torch.testing.assert_close(mean_loss(pairs, codes), mean_loss(pairs[:, 1] - pairs[:, 0], codes))


def test_balanced_weights_give_every_class_the_same_sum() -> None:
    codes = np.array([0] * 6 + [1] * 3 + [3])
    weights = balanced_weights(codes)
    torch.testing.assert_close(weights, torch.tensor([10 / 18, 10 / 9, 0.0, 10 / 3]))
    assert math.isclose(weights[torch.from_numpy(codes)].mean().item(), 1, rel_tol=1e-6)


def test_every_cell_of_a_good_tile_should_be_good() -> None:
    cells = torch.tensor([[[[0.0, math.log(3)]]], [[[5.0, 5.0]]]])  # the second tile is defective
    good = torch.tensor([True, False])
    expected = (math.log(2) + math.log(4)) / 2 / 2  # mean over cells, then over both tiles
    assert dense_negatives(cells, good, None).item() == pytest.approx(expected, rel=1e-6)
    assert dense_negatives(cells, ~torch.ones_like(good), None).item() == 0


def test_dense_negatives_of_several_classes() -> None:
    cells = torch.log(torch.tensor([[0.2, 0.3, 0.5], [0.1, 0.8, 0.1]]))[:, :, None, None]
    assert dense_negatives(cells, torch.tensor([True, True]), 0).item() == pytest.approx(
        (-math.log(0.2) - math.log(0.1)) / 2, rel=1e-6
    )
    assert dense_negatives(cells, torch.tensor([True, True]), None).item() == 0  # a data set of defects alone
