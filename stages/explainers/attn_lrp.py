"""AttnLRP (Achtibat et al. 2024, "AttnLRP: attention-aware layer-wise relevance propagation for transformers").

Relevance starts as the score (`select_score`) and is handed back layer by layer, each output's to its inputs:

    linear y = W x + b    R_i = sum_j x_i W_ji R_j / y_j; the bias takes b_j R_j / y_j (epsilon rule, epsilon to 0)
    a + b (residual)      R a / (a + b) and R b / (a + b)
    product A V, Q K^T    half of it to either factor, in proportion to the products: R_A = A (R / (A V)) V^T / 2
    softmax s(x)          R_i = x_i (R_i - s_i sum_j R_j): first-order Taylor, whose constant term takes the rest
    x / std(x) of LayerNorm, GELU    unchanged; mean and affine part of LayerNorm are linear
    layer scale           linear

    heatmap[cell] = sum of the relevance of the cell's pixels, of a hybrid of its stem's features, which the patch
                    embedding hands on; signed, higher = more for the class

With G = R / value every rule is a factor of the ordinary gradient, and no quotient is left: linear layers, sums and
softmax keep the gradient, the product halves it for each of its factors, the activation f multiplies by f(x) / x, and
LayerNorm takes its standard deviation for a constant. So the map is value x G of one backward pass, through fused
attention: query and key get a quarter of the gradient, the value half. Like LRP it stops at the patch embedding.

What the map does not hold of the score stands in biases, in the constant terms of softmax, in position embeddings, and
in class and register tokens: relevance is conserved when these are counted.

Deviations: gamma is 0 in every linear layer (the paper takes more in a ViT's, against noise); epsilon is 0, since
nothing is divided; patch-token heads hand relevance back with the pool's gradient; a gate of the attention, which the
paper's models have not, counts as constant weights.
"""

from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from timm.layers import Mlp
from torch import Tensor, nn

from stages.explainers.method import Method
from stages.explainers.small_batches import in_small_batches
from stages.models.attention import without_parameter_gradients
from stages.models.outputs import Outputs, Target, select_score
from stages.models.vit import RolloutClassifier
from stages.runtime.errors import InputError

HALVES = (0.25, 0.25, 0.5)  # of query, key and value: two products lie behind query and key, one behind value


def explain(model: RolloutClassifier, images: Tensor, target: Target = None) -> Outputs:
    """Return logits and heatmaps (N, 1, px/patch, px/patch) of images (N, 3, px, px) in 0..1.

    Everything is float32 at least, also for a model in half precision or under autocast, of which a copy is made.

    Args:
        model: classifier with rollout whose blocks have timm's `Mlp` and LayerNorm.
        images: to explain.
        target: the class, see `select_score`.

    Raises:
        InputError: the model has layers without a rule, the target is not one of the classes, or an image or a weight
            is not finite.

    >>> from stages.models.vit import RolloutClassifier
    >>> model = RolloutClassifier("test_vit", 64, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)).eval()
    >>> explain(model, torch.rand(2, 3, 64, 64)).heatmaps.shape
    torch.Size([2, 1, 4, 4])
    """
    if missing := _without_rule(model):
        raise InputError(f"attn_lrp: the model has {missing}; relevance rules exist for timm's Mlp and LayerNorm")
    if model.head.weight.dtype in (torch.float16, torch.bfloat16):
        model, images = deepcopy(model).float(), images.float()
    return in_small_batches(partial(_explain, model), model, images, target)


def _explain(model: RolloutClassifier, images: Tensor, target: Target) -> Outputs:
    backbone: Any = model.backbone
    embedding = backbone.patch_embed
    with torch.inference_mode(False), torch.autocast(images.device.type, enabled=False):
        with torch.no_grad():
            embedded = embedding((images - model.mean) / model.std)  # type: ignore[operator]
        with torch.enable_grad(), without_parameter_gradients(model):
            embedded.requires_grad_()
            tokens = _normalise(backbone.norm_pre, backbone._pos_embed(embedded))
            *blocks, last = backbone.blocks
            for block in blocks:
                tokens = _run(block, tokens, None)
            logits, _ = model.read(_normalise(backbone.norm, _run(last, tokens, model.rows)))
            (gradient,) = torch.autograd.grad(select_score(logits, target).sum(), embedded)
        with torch.no_grad():
            of_pixels = embedded if embedding.proj.bias is None else embedded - embedding.proj.bias
            relevance = (of_pixels * gradient).sum(dim=-1)
    return Outputs(logits.detach(), relevance.reshape(len(images), 1, *embedding.grid_size))


def _run(block: Any, tokens: Tensor, rows: int | None) -> Tensor:
    """Return the tokens (B, Q, C) that leave a block which (B, N, C) enter; their gradient follows the rules.

    Args:
        block: timm's.
        tokens: that enter.
        rows: how many of the first tokens go on after the attention; None for all.
    """
    attention = block.attn
    normed = _normalise(block.norm1, tokens)
    qkv = attention.qkv(normed).unflatten(-1, (3, attention.num_heads, attention.head_dim)).permute(2, 0, 3, 1, 4)
    factors = torch.tensor(HALVES, dtype=qkv.dtype, device=qkv.device).view(3, 1, 1, 1, 1)
    qkv.register_hook(lambda gradient: gradient * factors)
    query, key, value = qkv.unbind(0)
    query, key = _normalise(attention.q_norm, query[:, :, :rows]), _normalise(attention.k_norm, key)
    mixed = F.scaled_dot_product_attention(query, key, value, scale=attention.scale)
    passed = _normalise(attention.norm, mixed.transpose(1, 2).flatten(2))
    if attention.gate is not None:
        passed = passed * attention.gate(normed[:, :rows]).sigmoid().detach()
    middle = tokens[:, :rows] + block.ls1(attention.proj(passed))
    mlp = block.mlp
    active = _Activation.apply(mlp.fc1(_normalise(block.norm2, middle)), mlp.act)
    return middle + block.ls2(mlp.fc2(_normalise(mlp.norm, active)))


def _normalise(layer: nn.Module, tokens: Tensor) -> Tensor:
    """Return layer(tokens) of a LayerNorm, whose backward pass takes the standard deviation for a constant."""
    if not isinstance(layer, nn.LayerNorm):  # nothing, as `_without_rule` made sure
        return tokens
    normalised: Tensor = _Normalisation.apply(tokens, layer)
    return normalised


class _Normalisation(torch.autograd.Function):
    """LayerNorm: forward as it is, backward as the linear map that it is with its standard deviation kept."""

    @staticmethod
    def forward(ctx: Any, tokens: Tensor, layer: nn.LayerNorm) -> Tensor:
        shape = list(layer.normalized_shape)
        normalised, _, inverse = torch.native_layer_norm(tokens, shape, layer.weight, layer.bias, layer.eps)
        ctx.inverse = inverse if layer.weight is None else inverse * layer.weight
        return normalised

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        scaled = gradients[0] * ctx.inverse
        return scaled - scaled.mean(dim=-1, keepdim=True), None


class _Activation(torch.autograd.Function):
    """An activation f: forward f(x), backward times f(x) / x, which hands its relevance on as it is."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
        active = function(hidden)
        ctx.share = (active / hidden).nan_to_num_(0, 0, 0)  # an input of exactly 0 has no relevance
        return active

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0] * ctx.share, None


def _without_rule(model: RolloutClassifier) -> str | None:
    """Return what a model has that no rule is for, or None."""
    backbone: Any = model.backbone
    if not isinstance(getattr(backbone.patch_embed, "norm", nn.Identity()), nn.Identity):
        return "a normalised patch embedding"
    norms = [backbone.norm_pre, backbone.norm]
    for block in backbone.blocks:
        if type(block.mlp) is not Mlp:
            return f"blocks with a {type(block.mlp).__name__}"
        attention = block.attn
        norms += [block.norm1, block.norm2, attention.q_norm, attention.k_norm, attention.norm, block.mlp.norm]
    unknown = [norm for norm in norms if not isinstance(norm, nn.LayerNorm | nn.Identity)]
    return f"a {type(unknown[0]).__name__}" if unknown else None


METHOD = Method(families=("vit",), shares=True, call=lambda model, images, target, _: explain(model, images, target))
