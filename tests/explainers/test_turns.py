"""The eight turns of a square: all different, all undone."""

import pytest
import torch

from stages.explainers.turns import PLAIN, TURNS, Turn

PICTURE = torch.arange(9.0).reshape(1, 1, 3, 3)


def test_horizontal_exchanges_left_and_right() -> None:
    plain, mirrored = TURNS["horizontal"]
    assert plain == PLAIN and plain.of(PICTURE) is PICTURE
    assert mirrored.of(PICTURE)[0, 0].tolist() == [[2, 1, 0], [5, 4, 3], [8, 7, 6]]


def test_all_are_the_flips_and_rotations() -> None:
    rotations = [torch.rot90(PICTURE, times, (2, 3)) for times in range(4)]
    expected = {tuple(view.flatten().tolist()) for turned in rotations for view in (turned, turned.flip(3))}
    assert {tuple(turn.of(PICTURE).flatten().tolist()) for turn in TURNS["all"]} == expected
    assert len(expected) == len(TURNS["all"]) == 8 and TURNS["none"] == (PLAIN,) == TURNS["all"][:1]


@pytest.mark.parametrize("turn", TURNS["all"])
def test_back_undoes_a_turn(turn: Turn) -> None:
    images = torch.rand(2, 3, 4, 4).contiguous(memory_format=torch.channels_last)
    turned = turn.of(images)
    assert turned.is_contiguous(memory_format=torch.channels_last)
    assert turn.back(turned).equal(images)
