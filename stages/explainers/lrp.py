"""Transformer LRP (Chefer, Gur and Wolf 2021, "Transformer interpretability beyond attention visualization").

The paper's equation 2: with A_l the attention of layer l after softmax and R_l its relevance,

    C_l = mean over heads of max(0, (d score / d A_l) * R_l), entry by entry                (N, N)
    heatmap = row of the class token of (I + C_L) ... (I + C_1), columns of the patches

or, where the patch tokens are read, the mean over the patches' rows of that product minus I.

Relevance 1 starts at the score (`select_score`) and is handed back block by block, each output's to its inputs:

    linear y = W x + b   in proportion to the positive products w x; the bias gets none (z+ rule, alpha = 1)
    a + b (residual)     R a / (a + b) and R b / (a + b), then scaled: with S_a, S_b the sums of these over the image,
                         the branches hold |S_a| and |S_b| parts of the image's relevance
    product A V, Q K^T   half of it to either factor, in proportion to the products: R_A = A (R / (A V)) V^T / 2
    softmax, GELU, LayerNorm, layer scale, gate, query and key norm     unchanged
    pool of the class map  linear with the weights d pool / d cell, one layer together with the neuron: the relevance
                         starts at all channels of all patches, in proportion to the positive products

Every rule but these conserves the relevance of an image: a linear layer loses that of an output none of whose
products is positive, and a division by a sum that is exactly 0 loses that of the sum. The quotients R / (a + b) have
signs and no bound: single relevances are much larger than their sum, so in float32 the sum of an image drifts.

Class tokens and register tokens are tokens like others; relevance stops at the tokens of the first block (a hybrid's
map is one of its stem's cells), in fact at its attention, which nothing before it changes.

Deviations from the authors' code: the residual rule scales each image by its own sums (theirs sums over the batch, so
an image's map depends on its neighbours); binary models: the class "good" is the score -logit; layer scale, gate and
query / key norm, which their models have not, are elementwise; positive sums below 1e-6 of the sum of absolute products
count as none, since rounding leaves no more; the stabiliser 1e-9 takes the sign of the divisor.
"""

from collections.abc import Iterator
from copy import deepcopy
from functools import partial

import torch
import torch.nn.functional as F
from timm.layers import Mlp
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from stages.explainers.method import Method
from stages.explainers.small_batches import in_small_batches
from stages.models.attention import Gradients, Step, attention_gradients
from stages.models.outputs import Outputs, Target, target_classes
from stages.models.pools import POOLS
from stages.models.rollout import roll_relevance
from stages.models.vit import RolloutClassifier
from stages.runtime.errors import InputError

ROUNDING = 1e-6
STABILISER = 1e-9


def explain(model: RolloutClassifier, images: Tensor, target: Target = None) -> Outputs:
    """Return logits and heatmaps (N, 1, px/patch, px/patch) >= 0 of images (N, 3, px, px) in 0..1.

    Everything is float32 at least, also for a model in half precision or under autocast, of which a copy is made: the
    unbounded quotients turn the rounding of half precision into other maps.

    Args:
        model: classifier with rollout whose blocks have timm's `Mlp`.
        images: to explain.
        target: the class, see `select_score`.

    Raises:
        InputError: the blocks have another MLP, the target is not one of the classes, or an image or a weight is not
            finite.

    >>> from stages.models.vit import RolloutClassifier
    >>> model = RolloutClassifier("test_vit", 64, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)).eval()
    >>> bool((explain(model, torch.rand(2, 3, 64, 64)).heatmaps >= 0).all())
    True
    """
    if type(model.backbone.blocks[0].mlp) is not Mlp:
        name = type(model.backbone.blocks[0].mlp).__name__
        raise InputError(f"lrp: the model's blocks have a {name}; relevance rules exist for timm's Mlp")
    if model.head.weight.dtype in (torch.float16, torch.bfloat16):
        model, images = deepcopy(model).float(), images.float()
    return in_small_batches(partial(_explain, model), model, images, target)


def _explain(model: RolloutClassifier, images: Tensor, target: Target) -> Outputs:
    with torch.autocast(images.device.type, enabled=False):
        traced = attention_gradients(model, images, target)
        with torch.no_grad():
            relevance = start_relevance(model, traced, target)
            rolled = roll_relevance(_attention_relevance(model, traced, relevance), model.patches_from)
            heatmaps = model.to_map(rolled)
    return Outputs(traced.logits, heatmaps)


def start_relevance(model: RolloutClassifier, traced: Gradients, target: Target) -> Tensor:
    """Return the relevance of the tokens after the last block; each image's sums to 1.

    It is (N, 1, C) of the class token where that is read, else (N, tokens, C), 0 for tokens that are no patch.
    """
    read = model.backbone.norm(traced.steps[-1].after)
    targets = target_classes(traced.logits, target)
    weight = model.head.weight
    chosen = (targets * 2 - 1)[:, None] * weight if len(weight) == 1 else weight[targets]
    if model.reads_patches:
        products = read * chosen[:, None] * _pool_weights(model, read, targets)[:, :, None]
    else:
        products = read[:, :1] * chosen[:, None]
    products = products.clamp(min=0)
    return _divide(products, products.sum(dim=(1, 2), keepdim=True))


def _pool_weights(model: RolloutClassifier, read: Tensor, targets: Tensor) -> Tensor:
    """Return (N, tokens) how much each cell of the target's class map counts in the pool; 0 for tokens without a cell.

    Args:
        model: that reads its patch tokens.
        read: (N, tokens, C) after the last normalisation.
        targets: (N,) as `target_classes` returns them.
    """
    with torch.inference_mode(False), torch.enable_grad():
        values = F.linear(read.detach().clone(), model.head.weight.detach()).requires_grad_()
        pooled = POOLS[model.settings.pool](model.to_map(values[:, 1:].mT), model.settings)
        mine = pooled[:, 0] if pooled.shape[1] == 1 else pooled.gather(1, targets[:, None])[:, 0]
        (weights,) = torch.autograd.grad(mine.sum(), values)
    return weights.sum(dim=2)


def relevance_before(block: Block, step: Step, relevance: Tensor) -> tuple[Tensor, Tensor]:
    """Hand the relevance of a block's outputs back.

    Args:
        block: timm's.
        step: what it computed.
        relevance: (B, Q, C) of the tokens that left.

    Returns:
        (B, N, C) relevance of the tokens that entered and (B, heads, Q, N) that of the attention, half of what came
        to its product with the value.
    """
    middle, of_weights, of_value = _to_attention(block, step, relevance)
    query, key = step.query[:, :, : of_weights.shape[2]], step.key
    share = _divide(of_weights, query @ key.transpose(-2, -1))
    of_query, of_key = query * (share @ key) / 2, key * (share.transpose(-2, -1) @ query) / 2
    missing = key.shape[2] - query.shape[2]
    together = torch.stack((F.pad(of_query, (0, 0, 0, missing)), of_key, of_value))
    of_qkv = together.permute(1, 3, 0, 2, 4).flatten(2)
    before = _linear(block.attn.qkv, step.normed, step.qkv, of_qkv)
    before[:, : middle.shape[1]] += middle
    return before, of_weights


def _attention_relevance(model: RolloutClassifier, traced: Gradients, relevance: Tensor) -> Iterator[Tensor]:
    """Yield gradient x relevance of every attention, last block to first."""
    blocks = list(zip(model.backbone.blocks, traced.steps, traced.gradients, strict=True))
    for block, step, gradient in reversed(blocks[1:]):
        relevance, of_weights = relevance_before(block, step, relevance)
        yield gradient * of_weights
    block, step, gradient = blocks[0]
    yield gradient * _to_attention(block, step, relevance)[1]


def _to_attention(block: Block, step: Step, relevance: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the relevance of a block's residual before its attention branch, of its attention and of its value."""
    rows = step.middle.shape[1]
    if step.hidden is None or step.active is None:
        raise ValueError("the block's MLP was not taken apart")
    residual, of_reply = _sum(step.middle, block.ls2(step.mlp_output), step.after, relevance)
    of_active = _linear(block.mlp.fc2, step.active, step.mlp_output, of_reply)
    relevance = residual + _linear(block.mlp.fc1, step.mlp_input, step.hidden, of_active)
    residual, of_update = _sum(step.before[:, :rows], block.ls1(step.proj_output), step.middle, relevance)
    of_passed = _linear(block.attn.proj, step.proj_input, step.proj_output, of_update)
    heads, channels = step.mixed.shape[1], step.mixed.shape[3]
    of_mixed = of_passed.unflatten(2, (heads, channels)).transpose(1, 2)
    share = _divide(of_mixed, step.mixed)
    weights, value = step.weights, step.value
    of_weights = (share @ value.transpose(-2, -1)).mul_(weights).div_(2)
    of_value = (weights.transpose(-2, -1) @ share).mul_(value).div_(2)
    return residual, of_weights, of_value


def _linear(layer: nn.Linear, inputs: Tensor, outputs: Tensor, relevance: Tensor) -> Tensor:
    """Hand relevance (..., out) back to inputs (..., in) in proportion to the positive products of weight and input.

    max(0, p) = (p + |p|) / 2, so their sum is half of that of the products, known from the outputs, and that of the
    absolute ones: three matrix products in all, where keeping positive and negative parts apart takes four.
    """
    weight = layer.weight
    sizes, magnitude = inputs.abs(), weight.abs()
    absolute = F.linear(sizes, magnitude)
    positive = absolute + outputs if layer.bias is None else absolute + outputs - layer.bias
    # Quotients without meaning are multiplied by 0: torch.where takes much longer than the arithmetic around it.
    share = (relevance / positive).nan_to_num_(0, 0, 0)
    share.mul_(torch.gt(positive, absolute.mul_(2 * ROUNDING), out=positive))
    return (share @ weight).mul_(inputs).addcmul_(share @ magnitude, sizes)


def _sum(first: Tensor, second: Tensor, total: Tensor, relevance: Tensor) -> tuple[Tensor, Tensor]:
    """Hand the relevance of total = first + second (B, Q, C) back to both, each image scaled by its own sums."""
    share = _divide(relevance, total)
    parts = share * first, share * second
    whole, *sums = (part.sum(dim=(1, 2), keepdim=True) for part in (relevance, *parts))
    size = sums[0].abs() + sums[1].abs()
    scales = [_divide(_divide(part_sum.abs(), size) * whole, part_sum) for part_sum in sums]
    return parts[0] * scales[0], parts[1] * scales[1]


def _divide(numerator: Tensor, denominator: Tensor) -> Tensor:
    """Return the quotient with the stabiliser added to the divisor, 0 where that is 0."""
    safe = torch.copysign(denominator.new_tensor(STABILISER), denominator).add_(denominator)
    quotient = numerator / safe
    return quotient.mul_(torch.ne(denominator, 0, out=safe))


METHOD = Method(families=("vit",), shares=True, call=lambda model, images, target, _: explain(model, images, target))
