"""AttnLRP: the whole score is accounted for, its rules by hand, what it refuses; the rest is in test_vit_methods."""

import math

import pytest
import torch
import torch.nn.functional as F
from timm.layers import RmsNorm, SwiGLU
from torch import nn

from stages.explainers import attn_lrp
from stages.models.backbones import build_features
from stages.models.settings import Head
from stages.models.vit import RolloutClassifier
from stages.runtime.errors import InputError
from tests.explainers import slow_vit
from tests.explainers.slow_attn_lrp import attn_lrp as slow
from tests.explainers.slow_vit import images, tiny

HEADS = (Head(), Head(reads="patch_tokens"), Head(reads="patch_tokens", pool="top_k", share=2 / 9))


@pytest.mark.parametrize("target", [0, 1])
@pytest.mark.parametrize("head", HEADS, ids=["class token", "mean of patches", "best patches"])
def test_map_biases_constants_and_tokens_are_the_score(head: Head, target: int) -> None:
    model, given = tiny(head=head), images(1)
    heatmaps = attn_lrp.explain(model, given, target).heatmaps
    assert heatmaps is not None
    _, kept = slow(model, given, target)
    score = slow_vit.score(model, given, target).item()
    assert heatmaps.sum().item() + sum(kept.values()) == pytest.approx(score, rel=1e-6)
    assert all(abs(value) > 1e-3 for value in kept.values())  # none of them is left out without notice


def test_without_biases_only_softmax_and_tokens_hold_the_rest() -> None:
    model, given = tiny(), images(1)
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
    heatmaps = attn_lrp.explain(model, given).heatmaps
    assert heatmaps is not None
    _, kept = slow(model, given, None)
    assert kept["biases"] == 0
    score = slow_vit.score(model, given, None).item()
    assert heatmaps.sum().item() + kept["softmax"] + kept["tokens"] == pytest.approx(score, rel=1e-6)


def test_a_network_without_softmax_and_biases_hands_all_of_it_to_the_patches() -> None:
    # The attention's projection is 0: blocks of linear layers, GELU and LayerNorm; no token but patches is read.
    model, given = tiny(head=Head(reads="patch_tokens")), images(2)
    for name, parameter in model.named_parameters():
        if name.endswith(("bias", "pos_embed")) or ".attn.proj." in name:
            nn.init.zeros_(parameter)
    outputs = attn_lrp.explain(model, given)
    assert outputs.heatmaps is not None
    torch.testing.assert_close(outputs.heatmaps.sum(dim=(1, 2, 3)), outputs.logits)


def test_normalisation_by_hand() -> None:
    layer = nn.LayerNorm(3, eps=0.0)
    layer.weight.data, layer.bias.data = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([9.0, 9.0, 9.0])
    tokens = torch.tensor([[1.0, 2.0, 6.0]], requires_grad=True)
    normalised = attn_lrp._normalise(layer, tokens)
    torch.testing.assert_close(normalised, layer(tokens))
    (gradient,) = torch.autograd.grad(normalised, tokens, torch.tensor([[1.0, 1.0, 1.0]]))
    # Variance ((-2)^2 + (-1)^2 + 3^2) / 3 = 14/3; weights 1, 2, 3 less their mean are -1, 0, 1.
    deviation = (14 / 3) ** 0.5
    torch.testing.assert_close(gradient, torch.tensor([[-1.0, 0.0, 1.0]]) / deviation)
    # Relevance: of (value - mean) / deviation x weight it is (-2, -2, 9) / deviation, and as much comes back.
    assert float((gradient * tokens.detach()).sum()) == pytest.approx(5 / deviation)


def test_an_activation_hands_its_relevance_on() -> None:
    hidden = torch.tensor([[-2.0, 0.0, 3.0]], requires_grad=True)
    active = attn_lrp._Activation.apply(hidden, F.gelu)
    (gradient,) = torch.autograd.grad(active, hidden, torch.tensor([[5.0, 7.0, -1.0]]))
    torch.testing.assert_close(gradient * hidden.detach(), torch.tensor([[5.0, 7.0, -1.0]]) * active.detach())
    assert torch.isfinite(gradient).all()


def test_attention_by_hand() -> None:
    """One head, two tokens of one channel: x = (ln 3, 0) with query 1, key 1 and value 1."""
    query, key, value = 1.0, torch.tensor([3.0, 1.0]).log(), torch.tensor([4.0, 8.0])
    qkv = torch.stack((torch.tensor([query, query]), key, value)).view(3, 1, 1, 2, 1).requires_grad_()
    qkv.register_hook(lambda gradient: gradient * torch.tensor(attn_lrp.HALVES).view(3, 1, 1, 1, 1))
    mixed = F.scaled_dot_product_attention(qkv[0], qkv[1], qkv[2], scale=1.0)[0, 0, 0, 0]
    assert float(mixed.detach()) == pytest.approx(5)  # attention (3/4, 1/4)
    (gradient,) = torch.autograd.grad(mixed, qkv)
    relevance = (gradient * qkv.detach())[:, 0, 0, :, 0]
    # Relevance 5: half of the products 3 and 2 to the values, as much to the attention. Softmax: x_i (R_i - s_i 5/2)
    # = ln 3 (1.5 - 1.875) for the first score, 0 for the second; half of it to the query, half to the first key.
    score = math.log(3) * (1.5 - 1.875)
    torch.testing.assert_close(relevance[2], torch.tensor([1.5, 1.0]))
    torch.testing.assert_close(relevance[1], torch.tensor([score / 2, 0.0]))
    torch.testing.assert_close(relevance[0], torch.tensor([score / 2, 0.0]))


def test_a_hybrids_map_is_one_of_its_stems_cells() -> None:
    torch.manual_seed(0)
    stem = build_features("test_efficientnet", 8, None)
    model = RolloutClassifier("test_vit", 64, (0.5,) * 3, (0.5,) * 3, stem=stem, depth=2).eval()
    given = torch.rand(2, 3, 64, 64)
    outputs = attn_lrp.explain(model, given)
    assert outputs.heatmaps is not None and outputs.heatmaps.shape == (2, 1, 8, 8)
    torch.testing.assert_close(outputs.logits, model(given).logits, rtol=1e-4, atol=1e-6)
    assert outputs.heatmaps.min() < 0 < outputs.heatmaps.max()


def test_layers_without_a_rule_are_refused() -> None:
    model = tiny()
    model.backbone.blocks[1].norm2 = RmsNorm(64).double()
    with pytest.raises(InputError, match="attn_lrp: the model has a RmsNorm; relevance rules exist for"):
        attn_lrp.explain(model, images(1))
    model.backbone.blocks[0].mlp = SwiGLU(64, 64).double()
    with pytest.raises(InputError, match="blocks with a SwiGLU"):
        attn_lrp.explain(model, images(1))
    model.backbone.patch_embed.norm = nn.LayerNorm(64).double()
    with pytest.raises(InputError, match="a normalised patch embedding"):
        attn_lrp.explain(model, images(1))
