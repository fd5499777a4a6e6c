"""LRP: relevance is conserved block by block, and its single rules by hand; the rest is in test_vit_methods."""

import pytest
import torch
from timm.layers import SwiGLU

from stages.explainers import lrp
from stages.models.attention import attention_gradients
from stages.models.pools import POOLS
from stages.models.settings import Head
from stages.runtime.errors import InputError
from tests.explainers import slow_vit
from tests.explainers.slow_vit import images, tiny


@torch.no_grad()
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("head", [Head(), *(Head(reads="patch_tokens", pool=pool) for pool in POOLS)])  # type: ignore[arg-type]
def test_every_block_conserves_each_images_relevance(bias: bool, head: Head) -> None:
    model, given = tiny(head=head), images(3)
    if not bias:
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                torch.nn.init.zeros_(parameter)
    traced = attention_gradients(model, given)
    relevance = lrp.start_relevance(model, traced, None)
    ones = torch.ones(3, dtype=torch.float64)
    torch.testing.assert_close(relevance.sum(dim=(1, 2)), ones, rtol=1e-6, atol=0)
    for block, step in zip(reversed(model.backbone.blocks), reversed(traced.steps), strict=True):
        relevance, of_weights = lrp.relevance_before(block, step, relevance)
        torch.testing.assert_close(relevance.sum(dim=(1, 2)), ones, rtol=1e-4, atol=0)
        assert of_weights.abs().max() > 0


@pytest.mark.parametrize("head", [Head(), Head(reads="patch_tokens")])
def test_the_reference_conserves_too(head: Head) -> None:
    _, sums = slow_vit.lrp(tiny(head=head), images(1), None)
    assert sums == pytest.approx([1, 1, 1], rel=1e-4)


@torch.no_grad()
def test_relevance_starts_at_the_cells_that_the_pool_looks_at() -> None:
    model, given = tiny(3, head=Head(reads="patch_tokens", pool="max")), images(2)
    traced = attention_gradients(model, given, 1)
    of_tokens = lrp.start_relevance(model, traced, 1).sum(dim=2)
    highest = model(given, explain=True).heatmaps[:, 1].flatten(1).argmax(dim=1)
    assert of_tokens[torch.arange(2), 1 + highest].tolist() == pytest.approx([1, 1])


def test_linear_rule_by_hand() -> None:
    layer = torch.nn.Linear(3, 2)
    layer.weight.data = torch.tensor([[1.0, -1.0, 2.0], [-1.0, 0.0, -1.0]])
    layer.bias.data = torch.tensor([5.0, -7.0])
    inputs = torch.tensor([[1.0, 2.0, 1.5]])
    # Products of output 0: 1, -2, 3: its relevance 8 goes 2 : 0 : 6. Output 1 has none that is positive: 4 is lost.
    with torch.no_grad():
        ours = lrp._linear(layer, inputs, layer(inputs), torch.tensor([[8.0, 4.0]]))
    torch.testing.assert_close(ours, torch.tensor([[2.0, 0.0, 6.0]]))


def test_sum_rule_by_hand_image_by_image() -> None:
    first, second = torch.tensor([[[3.0, 1.0]], [[1.0, 1.0]]]), torch.tensor([[[1.0, -2.0]], [[1.0, 1.0]]])
    relevance = torch.tensor([[[4.0, 1.0]], [[2.0, 4.0]]])
    of_first, of_second = lrp._sum(first, second, first + second, relevance)
    # Image 0: quotients 1 and -1, parts (3, -1) and (1, 2), sums 2 and 3: they hold 2 and 3 fifths of 5, as they are.
    # Image 1: quotients 1 and 2, both parts (1, 2): half of 6 each.
    torch.testing.assert_close(of_first, torch.tensor([[[3.0, -1.0]], [[1.0, 2.0]]]))
    torch.testing.assert_close(of_second, torch.tensor([[[1.0, 2.0]], [[1.0, 2.0]]]))


def test_float32_agrees_with_float64() -> None:
    model, given = tiny(), images(2)
    exact = lrp.explain(model, given).heatmaps
    single = lrp.explain(model.float(), given.float()).heatmaps
    assert exact is not None and single is not None
    torch.testing.assert_close(single.double(), exact, rtol=0.02, atol=2e-3 * float(exact.max()))


def test_another_mlp_is_refused() -> None:
    model = tiny()
    model.backbone.blocks[0].mlp = SwiGLU(64, 64).double()
    with pytest.raises(InputError, match="SwiGLU"):
        lrp.explain(model, images(1))
