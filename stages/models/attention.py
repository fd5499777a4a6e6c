"""timm's ViT blocks run step by step: their attention matrices, what they compute around them, gradients of a score.

timm's fused attention never holds its matrix, so a block is run here along its explicit path and hands out what it
computed. Where the logits depend on the class token of the last block alone, only its row is computed there; that
changes no value. Dropout is left out: explanations are made of models in evaluation mode.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from timm.layers import Mlp
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from stages.models.outputs import Target, select_score
from stages.runtime.errors import InputError

if TYPE_CHECKING:
    from stages.models.vit import RolloutClassifier


class Step(NamedTuple):
    """What one block computed, in this order; `rows` says how many of the first tokens went on after the attention.

    B images, N tokens of C channels, of which Q went on, h heads of d channels, H hidden units.
    """

    before: Tensor  # (B, N, C) tokens that entered
    normed: Tensor  # (B, N, C) after the first normalisation: query, key and value are made from them
    qkv: Tensor  # (B, N, 3 h d) query, key and value before they are taken apart and normalised
    query: Tensor  # (B, h, N, d) already scaled
    key: Tensor  # (B, h, N, d)
    value: Tensor  # (B, h, N, d)
    weights: Tensor  # (B, h, Q or N, N) attention after softmax, float32 where the model is in half precision
    mixed: Tensor  # (B, h, Q, d) weights times value
    proj_input: Tensor  # (B, Q, h d) what the output projection of the attention reads
    proj_output: Tensor  # (B, Q, C)
    middle: Tensor  # (B, Q, C) tokens after the attention branch
    mlp_input: Tensor  # (B, Q, C) after the second normalisation
    hidden: Tensor | None  # (B, Q, H) before the activation; None for an MLP that is not timm's `Mlp`
    active: Tensor | None  # (B, Q, H) after it
    mlp_output: Tensor  # (B, Q, C)
    after: Tensor  # (B, Q, C) tokens that leave


class Gradients(NamedTuple):
    """The gradients of one score per image with respect to the attention of every block, first to last."""

    logits: Tensor  # as `Outputs`
    steps: list[Step]  # cut off from the graph
    gradients: tuple[Tensor, ...]  # d score / d weights, each of the shape of its step's weights


def run_block(
    block: Block, tokens: Tensor, rows: int | None = None, all_weights: bool = False, differentiate: bool = False
) -> Step:
    """Run one block of timm's, with `Attention`, on tokens (B, N, C).

    Args:
        block: the block.
        tokens: (B, N, C), those that enter.
        rows: how many of the first tokens go on after the attention; None for all.
        all_weights: compute the attention of the other tokens, too.
        differentiate: let gradients be taken with respect to the attention even where nothing before it has any.
    """
    attention = block.attn
    normed = block.norm1(tokens)
    qkv = attention.qkv(normed)
    query, key, value = qkv.unflatten(-1, (3, attention.num_heads, attention.head_dim)).permute(2, 0, 3, 1, 4).unbind(0)
    query, key = attention.q_norm(query) * attention.scale, attention.k_norm(key)
    scores = (query if all_weights else query[:, :, :rows]) @ key.transpose(-2, -1)
    weights = scores.softmax(dim=-1, dtype=torch.float32 if scores.dtype in (torch.float16, torch.bfloat16) else None)
    if differentiate and not weights.requires_grad:
        weights.requires_grad_()
    mixed = weights[:, :, :rows].to(value.dtype) @ value
    proj_input = attention.norm(mixed.transpose(1, 2).flatten(2))
    if attention.gate is not None:
        proj_input = proj_input * attention.gate(normed[:, :rows]).sigmoid()
    proj_output = attention.proj(proj_input)
    middle = tokens[:, :rows] + block.ls1(proj_output)
    mlp_input = block.norm2(middle)
    hidden, active, mlp_output = _run_mlp(block.mlp, mlp_input)
    after = middle + block.ls2(mlp_output)
    return Step(
        tokens, normed, qkv, query, key, value, weights, mixed, proj_input, proj_output, middle, mlp_input, hidden,
        active, mlp_output, after,
    )  # fmt: skip


def run_blocks(
    model: "RolloutClassifier", tokens: Tensor, all_weights: bool = False, differentiate: bool = False
) -> Iterator[Step]:
    """Run every block on the embedded tokens (B, N, C); from the last one only those go on that the classifier reads.

    Args:
        model: whose blocks run.
        tokens: as `RolloutClassifier.embed` returns them.
        all_weights, differentiate: see `run_block`.
    """
    *blocks, last = model.backbone.blocks
    for block in blocks:
        step = run_block(block, tokens, None, all_weights, differentiate)
        tokens = step.after
        yield step
    yield run_block(last, tokens, model.rows, all_weights, differentiate)


def attention_gradients(model: "RolloutClassifier", images: Tensor, target: Target = None) -> Gradients:
    """Return the gradients of each image's score with respect to every attention matrix.

    Works in and out of `torch.inference_mode`; no gradient of a parameter is computed.

    Args:
        model: in evaluation mode.
        images: (N, 3, px, px) in 0..1.
        target: the class whose score it is, see `select_score`.

    Raises:
        InputError: the target is not one of the classes.
    """
    with torch.inference_mode(False):
        with torch.no_grad():
            tokens = model.embed(images)
        with torch.enable_grad(), without_parameter_gradients(model):
            steps = list(run_blocks(model, tokens, differentiate=True))
            logits = model.classify(steps[-1].after)
            score = select_score(logits, target)
            gradients = torch.autograd.grad(score.sum(), [step.weights for step in steps])
        detached = [Step(*(None if tensor is None else tensor.detach() for tensor in step)) for step in steps]  # type: ignore[arg-type]
        return Gradients(logits.detach(), detached, gradients)


@contextmanager
def without_parameter_gradients(model: nn.Module) -> Iterator[None]:
    """Within it no parameter of the model collects a gradient; afterwards those do that did before."""
    wanted = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for parameter in wanted:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in wanted:
            parameter.requires_grad_(True)


def refuse_not_finite(model: nn.Module, images: Tensor, logits: Tensor) -> None:
    """Pass if the logits are finite; NaN or infinity anywhere in an image or a weight spreads to them.

    Args:
        model: that computed the logits.
        images: (N, 3, px, px) that they are of.
        logits: (N,) or (N, K).

    Raises:
        InputError: they are not finite; the message names the image or the weight.
    """
    if bool(torch.isfinite(logits).all()):
        return
    broken = (~torch.isfinite(images).flatten(1).all(dim=1)).nonzero().flatten().tolist()
    if broken:
        raise InputError(f"images: number {broken[0]} of the batch holds NaN or infinity; leave it out")
    for name, parameter in model.named_parameters():
        if not bool(torch.isfinite(parameter).all()):
            raise InputError(f"model: its weight {name} holds NaN or infinity; train it again")
    raise InputError(f"model: its logits overflow in {logits.dtype}; use float32 or bfloat16")


def _run_mlp(mlp: Any, tokens: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor]:
    """Return what timm's `Mlp` computes before and after its activation and in the end; of another the last alone."""
    if type(mlp) is not Mlp:
        return None, None, mlp(tokens)
    hidden = mlp.fc1(tokens)
    active = mlp.norm(mlp.act(hidden))
    return hidden, active, mlp.fc2(active)
