"""Rollout as a graph can hold it: the values of `stages.models.rollout`, and the same kept entries, ties included."""

import pytest
import torch
from torch import Tensor, nn

from stages.exports.onnx_file import open_graph, serialised, to_onnx
from stages.exports.rollout_graph import keep_largest, roll_out
from stages.models.rollout import Setting, discard_thresholds, fuse_heads, rollout
from tests.models.test_rollout import attention_of_layers

DISCARDS = (0.0, 0.001, 0.1, 0.5, 0.8, 0.9, 0.99)


@pytest.mark.parametrize("normalise", ["rows", "published"])
@pytest.mark.parametrize("fusion", ["min", "mean", "max"])
@pytest.mark.parametrize("discard", DISCARDS)
def test_agrees_with_rollout(normalise: str, fusion: str, discard: float) -> None:
    layers = [fuse_heads(layer, fusion) for layer in attention_of_layers()]
    setting = Setting(fusion, discard)
    expected = rollout({fusion: layers}, (setting,), normalise)[:, 0]
    torch.testing.assert_close(roll_out(layers, setting, normalise), expected, rtol=1e-5, atol=1e-8)


def test_the_class_tokens_row_of_the_last_layer_suffices_without_discard() -> None:
    layers = [fuse_heads(layer, "mean") for layer in attention_of_layers()]
    whole = roll_out(layers, Setting("mean", 0.0), "rows")
    torch.testing.assert_close(roll_out([*layers[:-1], layers[-1][:, :1]], Setting("mean", 0.0), "rows"), whole)


def tied_attention(steps: int, tokens: int = 7) -> Tensor:
    """Return attention of few different values: nearly every threshold is tied."""
    generator = torch.Generator().manual_seed(steps)
    return torch.randint(0, steps, (5, tokens, tokens), generator=generator).float() / steps


def kept_by_pytorch(attention: Tensor, discard: float) -> Tensor:
    kept = attention * (attention > discard_thresholds(attention, (discard,))[:, :, None])
    kept[:, 0, 0] = attention[:, 0, 0]
    return kept


@pytest.mark.parametrize("steps", [1, 2, 3, 10])
@pytest.mark.parametrize("discard", DISCARDS)
def test_ties_are_kept_or_not_as_pytorch_does(steps: int, discard: float) -> None:
    attention = tied_attention(steps)
    assert torch.equal(keep_largest(attention, discard), kept_by_pytorch(attention, discard))


def test_all_entries_equal_leaves_the_class_token_alone() -> None:
    kept = keep_largest(torch.full((1, 3, 3), 0.25), 0.5)
    assert kept[0, 0, 0] == 0.25 and kept.sum() == 0.25


class Keep(nn.Module):
    """The discard alone, of attention that is written as whole numbers."""

    def __init__(self, discard: float) -> None:
        super().__init__()
        self.discard = discard

    def forward(self, tiles: Tensor) -> Tensor:
        return keep_largest(tiles[..., 0].float(), self.discard)


@pytest.mark.parametrize("discard", [0.3, 0.9])  # the smallest are looked for, and the largest
def test_an_exported_graph_keeps_the_same_entries_ties_included(discard: float) -> None:
    run = open_graph(serialised(to_onnx(Keep(discard), 7, ["kept"])))
    for steps in (1, 2, 3, 10, 250):
        attention = (tied_attention(steps) * steps).round().to(torch.uint8)
        found = run(attention[..., None].expand(-1, -1, -1, 3).numpy())["kept"]
        assert torch.equal(torch.from_numpy(found), kept_by_pytorch(attention.float(), discard))
