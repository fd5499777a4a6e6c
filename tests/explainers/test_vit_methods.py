"""What holds for every class-specific ViT method: its reference, targets, batches, precision, bad input."""

from collections.abc import Callable
from copy import deepcopy

import pytest
import torch
from torch import Tensor

from stages.explainers import attention_gradient, attn_lrp, gradient_rollout, lrp
from stages.models.outputs import Outputs
from stages.models.settings import Head
from stages.models.vit import RolloutClassifier
from stages.runtime.errors import InputError
from tests.explainers import slow_attn_lrp, slow_vit
from tests.explainers.slow_vit import images, tiny

METHODS: dict[str, Callable[..., Outputs]] = {
    "gradient_rollout": gradient_rollout.explain,
    "attention_gradient": attention_gradient.explain,
    "lrp": lrp.explain,
    "attn_lrp": attn_lrp.explain,
}
SLOW: dict[str, Callable[..., Tensor]] = {
    **slow_vit.METHODS,
    "attn_lrp": lambda model, image, target: slow_attn_lrp.attn_lrp(model, image, target)[0],
}
HEADS = (Head(), Head(reads="patch_tokens"), Head(reads="patch_tokens", pool="top_k", share=2 / 9))
every_method = pytest.mark.parametrize("name", METHODS)


def maps(name: str, model: RolloutClassifier, given: Tensor, target: int | Tensor | None = None) -> Tensor:
    heatmaps = METHODS[name](model, given, target).heatmaps
    assert heatmaps is not None
    return heatmaps[:, 0]


@every_method
@pytest.mark.parametrize(("neurons", "target"), [(1, None), (1, 0), (3, None), (3, 2)])
@pytest.mark.parametrize("head", HEADS, ids=["class token", "mean of patches", "best patches"])
def test_agrees_with_the_reference(name: str, neurons: int, target: int | None, head: Head) -> None:
    model, given = tiny(neurons, head=head), images(2)
    ours = maps(name, model, given, target)
    for image in range(2):
        expected = SLOW[name](model, given[image : image + 1], target)
        assert ours[image].abs().max() > 0
        torch.testing.assert_close(ours[image], expected, rtol=1e-5, atol=1e-9 * float(expected.abs().max()))


@every_method
@pytest.mark.parametrize("head", HEADS[:2], ids=["class token", "mean of patches"])
def test_register_tokens_and_layer_scale(name: str, head: Head) -> None:
    model, given = tiny(arch="vit_small_patch14_reg4_dinov2", px=28, depth=1, head=head), images(1, 28)
    assert model.backbone.num_prefix_tokens == 5
    expected = SLOW[name](model, given, None)
    torch.testing.assert_close(maps(name, model, given)[0], expected, rtol=1e-5, atol=1e-12)


@every_method
def test_targets(name: str) -> None:
    binary, several, given = tiny(), tiny(3), images(3)
    torch.testing.assert_close(maps(name, binary, given), maps(name, binary, given, 1))
    assert not torch.allclose(maps(name, binary, given, 0), maps(name, binary, given, 1))
    predicted = several(given).logits.argmax(dim=1)
    torch.testing.assert_close(maps(name, several, given), maps(name, several, given, predicted))
    torch.testing.assert_close(
        maps(name, several, given, torch.tensor([0, 1, 2])),
        torch.cat([maps(name, several, given[k : k + 1], k) for k in range(3)]),
    )
    with pytest.raises(InputError, match="classes are 0 to 2"):
        maps(name, several, given, 3)


@every_method
@pytest.mark.parametrize("head", HEADS, ids=["class token", "mean of patches", "best patches"])
def test_an_image_does_not_see_its_batch(name: str, head: Head) -> None:
    # Six images are two parts: one of them in the first, one in the second.
    model, given, targets = tiny(head=head), images(6), torch.tensor([0, 1, 1, 0, 0, 1])
    together = maps(name, model, given, targets)
    for image in (1, 5):
        torch.testing.assert_close(together[image : image + 1], maps(name, model, given[image : image + 1], 1))


@every_method
@pytest.mark.parametrize("head", HEADS, ids=["class token", "mean of patches", "best patches"])
def test_a_zero_head_gives_a_zero_map(name: str, head: Head) -> None:
    model = tiny(head=head)
    torch.nn.init.zeros_(model.head.weight)
    assert not maps(name, model, images(1)).any()


@every_method
def test_randomised_weights_change_the_map(name: str) -> None:
    model, given = tiny(), images(1)
    before = maps(name, model, given)
    for parameter in model.backbone.blocks[1].parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    after = maps(name, model, given)
    assert not torch.allclose(before / before.max(), after / after.max(), rtol=0.05)


@every_method
@pytest.mark.parametrize("head", HEADS, ids=["class token", "mean of patches", "best patches"])
def test_works_in_inference_mode_and_leaves_the_model_as_it_was(name: str, head: Head) -> None:
    model, given = tiny(head=head), images(1)
    model.head.bias.requires_grad_(False)
    expected = maps(name, model, given)
    with torch.inference_mode():
        ours = maps(name, model, given.clone())
    torch.testing.assert_close(ours, expected)
    assert not model.head.bias.requires_grad and model.head.weight.requires_grad
    assert all(parameter.grad is None for parameter in model.parameters())


@every_method
@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("head", HEADS[:2], ids=["class token", "mean of patches"])
def test_half_precision_keeps_the_shape_of_the_map(name: str, autocast: bool, half: torch.dtype, head: Head) -> None:
    model, given = tiny(head=head).to(half), images(2)
    expected = maps(name, deepcopy(model).double(), given)
    model = model.float() if autocast else model
    with torch.autocast("cpu", half, enabled=autocast):
        ours = maps(name, model, given.float())
    assert ours.dtype == torch.float32
    correlation = torch.corrcoef(torch.stack((ours.flatten().double(), expected.flatten())))[0, 1]
    assert correlation > 0.98


@every_method
def test_what_is_not_finite_is_named(name: str) -> None:
    model, given = tiny(), images(6)
    given[5, 0, 0, 0] = torch.nan
    with pytest.raises(InputError, match="number 5 of the batch holds NaN"):
        maps(name, model, given)
    model.backbone.blocks[1].mlp.fc1.weight.data[0, 0] = torch.nan
    with pytest.raises(InputError, match=r"blocks.1.mlp.fc1.weight holds NaN"):
        maps(name, model, images(1))
