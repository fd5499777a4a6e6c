"""Attention x gradient by hand; the rest is in test_vit_methods."""

import pytest
import torch

from stages.models.rollout import roll_relevance


def test_two_layers_by_hand() -> None:
    first = torch.tensor([[[[0.5, 0.25], [1.0, -2.0]]]])
    last = torch.tensor([[[[-1.0, 0.5]]]])
    # Row of the class token: (1, 0) + (0, 0.5) = (1, 0.5); times first without the negative, ((0.5, 0.25), (1, 0)),
    # is (1, 0.25); the sum is (2, 0.75), whose only patch has 0.75.
    assert roll_relevance([last, first]).tolist() == [[[0.75]]]


def test_two_layers_from_two_patches_by_hand() -> None:
    first = torch.tensor([[[[0.0, 0.0, 0.0], [1.0, 0.5, 0.25], [0.0, 0.0, -1.0]]]])
    last = torch.tensor([[[[9.0, 9.0, 9.0], [0.0, 0.0, 2.0], [0.0, 4.0, 0.0]]]])
    # Half of either patch's row of last: (0, 2, 1). With the halves that they keep, (0, 2.5, 1.5), times first without
    # the negative, is (2.5, 1.25, 0.625): together (2.5, 3.25, 1.625). What the class token sees counts nothing.
    assert roll_relevance([last, first], patches_from=1).tolist() == [[[3.25, 1.625]]]


def test_heads_are_clamped_before_their_mean() -> None:
    heads = torch.tensor([[[[0.0, 1.0]], [[0.0, -3.0]]]])
    assert roll_relevance([heads]).item() == pytest.approx(0.5)
