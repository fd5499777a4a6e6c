"""Rollout against a readable implementation with full matrices and loops, and against its own properties."""

import itertools

import pytest
import torch
from torch import Tensor

from stages.models.rollout import Setting, discard_thresholds, fuse_heads, rollout, settings_grid

FUSIONS = ("min", "mean", "max")
DISCARDS = (0.0, 0.1, 0.5, 0.9, 0.99)


def attention_of_layers(layers: int = 3, batch: int = 2, heads: int = 3, tokens: int = 10) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(batch, heads, tokens, tokens, generator=generator).mul(2).softmax(-1) for _ in range(layers)]


def reference_rollout(
    layers: list[Tensor], setting: Setting, normalise: str, patches_from: int | None = None
) -> Tensor:
    """One image: every layer's full matrix, first to last, entry by entry, as the formula is written."""
    tokens = layers[0].shape[-1]
    result = torch.eye(tokens, dtype=torch.float64)
    kept = torch.eye(tokens, dtype=torch.float64)
    for attention in layers:
        fused = torch.zeros(tokens, tokens, dtype=torch.float64)
        for i, j in itertools.product(range(tokens), repeat=2):
            heads = [attention[head, i, j].item() for head in range(attention.shape[0])]
            fused[i, j] = {"min": min(heads), "mean": sum(heads) / len(heads), "max": max(heads)}[setting.fusion]
        smallest_first = sorted(itertools.product(range(tokens), repeat=2), key=lambda ij: fused[ij].item())
        for i, j in smallest_first[: int(tokens * tokens * setting.discard)]:
            if (i, j) != (0, 0):
                fused[i, j] = 0
        mixed = (fused + torch.eye(tokens, dtype=torch.float64)) / 2
        sums = [sum(mixed[i, j].item() for j in range(tokens)) for i in range(tokens)]
        for i, j in itertools.product(range(tokens), repeat=2):
            mixed[i, j] = mixed[i, j] / (sums[i] if normalise == "rows" else sums[j])
        result = mixed @ result
        kept = torch.diag(1 / (2 * torch.tensor(sums, dtype=torch.float64))) @ kept
    if patches_from is None:
        return result[0, 1:]
    return (result - kept)[patches_from:].mean(dim=0)[1:]


@pytest.mark.parametrize("normalise", ["rows", "published"])
@pytest.mark.parametrize("patches_from", [None, 1, 3])
def test_agrees_with_the_reference_for_every_setting(normalise: str, patches_from: int | None) -> None:
    layers = attention_of_layers()
    settings = settings_grid(FUSIONS, DISCARDS)
    fused = {fusion: [fuse_heads(attention, fusion) for attention in layers] for fusion in FUSIONS}
    ours = rollout(fused, settings, normalise, patches_from)
    for image, (column, setting) in itertools.product(range(2), enumerate(settings)):
        expected = reference_rollout([attention[image] for attention in layers], setting, normalise, patches_from)
        assert ours[image, column].double() == pytest.approx(expected.numpy(), abs=1e-6), setting.name


def test_by_hand_two_tokens_one_layer() -> None:
    # A = [[0.6, 0.4], [0.2, 0.8]]: (A + I) / 2 = [[0.8, 0.2], ...]; the class token gives 0.2 to the only patch.
    fused = {"mean": [torch.tensor([[[0.6, 0.4], [0.2, 0.8]]])]}
    assert rollout(fused, (Setting("mean", 0.0),)).item() == pytest.approx(0.2)
    # Discarding floor(4 * 0.5) = 2 entries drops 0.2 and 0.4: the class token keeps itself only.
    assert rollout(fused, (Setting("mean", 0.5),)).item() == 0
    # Published: the entry 0.4 / 2 is divided by the sum of row 1, which is 1 here as well.
    assert rollout(fused, (Setting("mean", 0.0),), "published").item() == pytest.approx(0.2)


def test_by_hand_from_two_patches() -> None:
    # The class token, which is not read, and two patches; (A + I) / 2 halves everything: patch 1 looks at itself with
    # 0.1 and at patch 2 with 0.2, patch 2 at patch 1 with 0.3; what either keeps of itself, 0.5, is left out.
    layer = torch.tensor([[[1.0, 0.0, 0.0], [0.4, 0.2, 0.4], [0.4, 0.6, 0.0]]])
    ours = rollout({"mean": [layer]}, (Setting("mean", 0.0),), patches_from=1)
    torch.testing.assert_close(ours, torch.tensor([[[(0.1 + 0.3) / 2, 0.2 / 2]]]))


def test_attention_of_any_scale_is_seen_beside_what_patches_keep() -> None:
    layers = [1e-9 * fuse_heads(attention, "mean") for attention in attention_of_layers()]
    ours = rollout({"mean": layers}, (Setting("mean", 0.0),), patches_from=1)
    expected = sum(layer[:, 1:].mean(dim=1) for layer in layers)[:, 1:]  # type: ignore[index]
    torch.testing.assert_close(ours[:, 0], expected, rtol=1e-5, atol=0)


def test_class_token_to_itself_is_never_discarded() -> None:
    attention = torch.tensor([[[0.01, 0.99], [0.5, 0.5]]])
    # k = 3 drops 0.01 (protected), 0.5 and 0.5: 0.99 stays, so the row is (0.01 + 1, 0.99) / 2 over its sum 1.
    assert rollout({"max": [attention]}, (Setting("max", 0.75),)).item() == pytest.approx(0.99 / 2)


def test_map_and_class_token_sum_to_one_without_discard() -> None:
    layers = [fuse_heads(attention, "mean") for attention in attention_of_layers()]
    total = rollout({"mean": layers}, (Setting("mean", 0.0),)).sum(-1)
    assert (total < 1).all() and (total > 0.3).all()


def test_an_image_does_not_see_its_batch() -> None:
    layers = [fuse_heads(attention, "max") for attention in attention_of_layers(batch=3)]
    settings = settings_grid(("max",), DISCARDS)
    together = rollout({"max": layers}, settings)
    for image in range(3):
        alone = rollout({"max": [layer[image : image + 1] for layer in layers]}, settings)
        torch.testing.assert_close(together[image : image + 1], alone, rtol=1e-5, atol=1e-8)


def test_thresholds_are_order_statistics() -> None:
    fused = torch.arange(16.0).flip(0).reshape(1, 4, 4)
    # floor(16 * 0.5) = 8 dropped: values 0..7, so an entry must exceed 7; floor(16 * 0.05) = 0 dropped.
    assert discard_thresholds(fused, (0.0, 0.05, 0.5)).tolist() == [[-torch.inf, -torch.inf, 7.0]]
    torch.testing.assert_close(discard_thresholds(fused.double(), (0.5, 0.9)), torch.tensor([[7.0, 13.0]]).double())


def test_names_and_grid() -> None:
    names = [setting.name for setting in settings_grid(("min", "max"), (0.0, 0.9))]
    assert names == ["min_0", "min_0.9", "max_0", "max_0.9"]
