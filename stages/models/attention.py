"""The inside of timm's ViT blocks: attention matrices, what else relevance needs, and gradients of a score.

timm's fused attention never holds its matrix, so a block is run here along its explicit path and hands out what it
computed. The logits depend on the class token of the last block alone, so there only its row is computed; that changes
no value. Dropout is left out: explanations are made of models in evaluation mode.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import torch
from timm.layers import Mlp
from timm.models.vision_transformer import Block, VisionTransformer
from torch import Tensor, nn

from stages.models.outputs import Target, select_score
from stages.runtime.errors import InputError


class Step(NamedTuple):
    """What one block computed. B images, h heads of d channels, N tokens, Q <= N of them go on, C channels.

    before (B, N, C): tokens that entered; read (B, N, C): normalised, what query, key and value are made
    from; projected (B, N, 3 h d): these before splitting and their norms; query (scaled), key, value (B, h, N, d);
    weights (B, h, Q or N, N): attention after softmax, float32 where the model is in half precision;
    mixed (B, h, Q, d): weights times value; passed (B, Q, h d): what the output projection reads; update (B, Q, C): its
    output; middle (B, Q, C): tokens after the attention branch; features (B, Q, C): normalised, what the MLP reads;
    hidden, active (B, Q, H): before and after its activation, None for an MLP that is not timm's `Mlp`;
    reply (B, Q, C): its output; after (B, Q, C): tokens that leave.
    """

    before: Tensor
    read: Tensor
    projected: Tensor
    query: Tensor
    key: Tensor
    value: Tensor
    weights: Tensor
    mixed: Tensor
    passed: Tensor
    update: Tensor
    middle: Tensor
    features: Tensor
    hidden: Tensor | None
    active: Tensor | None
    reply: Tensor
    after: Tensor


class Gradients(NamedTuple):
    """One score's gradients.

    logits: as `Outputs`; steps: of every block, first to last, cut off from the graph; gradients: d score / d weights,
    one for each step and of its weights' shape.
    """

    logits: Tensor
    steps: list[Step]
    gradients: tuple[Tensor, ...]


class AttentionModel(Protocol):
    """What is asked of a model here; `RolloutClassifier` is one."""

    backbone: VisionTransformer

    def embed(self, images: Tensor) -> Tensor:
        """Return the tokens (N, tokens, C) that enter the first block."""

    def classify(self, tokens: Tensor) -> Tensor:
        """Return the logits of the class token of the last block's tokens."""

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Return every parameter with its name."""


def run_block(
    block: Block, tokens: Tensor, rows: int | None = None, all_weights: bool = False, differentiate: bool = False
) -> Step:
    """Run one block on tokens (B, N, C).

    Args:
        block: timm's, with `Attention`.
        tokens: that enter.
        rows: how many of the first tokens go on; None for all.
        all_weights: compute the attention of the other tokens, too.
        differentiate: let gradients be taken with respect to the attention even where nothing before it has any.
    """
    attention = block.attn
    read = block.norm1(tokens)
    projected = attention.qkv(read)
    parts = projected.unflatten(-1, (3, attention.num_heads, attention.head_dim)).permute(2, 0, 3, 1, 4)
    query, key, value = parts.unbind(0)
    query, key = attention.q_norm(query) * attention.scale, attention.k_norm(key)
    asking = query if all_weights else query[:, :, :rows]
    scores = asking @ key.transpose(-2, -1)
    weights = scores.softmax(dim=-1, dtype=torch.float32 if scores.dtype in (torch.float16, torch.bfloat16) else None)
    if differentiate and not weights.requires_grad:
        weights.requires_grad_()
    mixed = weights[:, :, :rows].to(value.dtype) @ value
    passed = attention.norm(mixed.transpose(1, 2).flatten(2))
    if attention.gate is not None:
        passed = passed * attention.gate(read[:, :rows]).sigmoid()
    update = attention.proj(passed)
    middle = tokens[:, :rows] + block.ls1(update)
    features = block.norm2(middle)
    hidden, active, reply = _run_mlp(block.mlp, features)
    after = middle + block.ls2(reply)
    return Step(
        tokens, read, projected, query, key, value, weights, mixed, passed, update, middle, features, hidden, active,
        reply, after,
    )  # fmt: skip


def run_blocks(
    model: AttentionModel, tokens: Tensor, all_weights: bool = False, differentiate: bool = False
) -> Iterator[Step]:
    """Run every block on the embedded tokens; of the last one only the class token goes on."""
    blocks = model.backbone.blocks
    for number, block in enumerate(blocks, start=1):
        step = run_block(block, tokens, 1 if number == len(blocks) else None, all_weights, differentiate)
        tokens = step.after
        yield step


def attention_gradients(model: AttentionModel, images: Tensor, target: Target = None) -> Gradients:
    """Return the gradients of each image's score (`select_score`) with respect to every attention matrix.

    Works in and out of `torch.inference_mode`; no gradient of a parameter is computed.

    Raises:
        InputError: the target is not one of the classes.
    """
    with torch.inference_mode(False):
        with torch.no_grad():
            tokens = model.embed(images)
        with torch.enable_grad(), _frozen(model):
            steps = list(run_blocks(model, tokens, differentiate=True))
            logits = model.classify(steps[-1].after)
            score = select_score(logits, target)
            gradients = torch.autograd.grad(score.sum(), [step.weights for step in steps])
        detached = [Step(*(None if part is None else part.detach() for part in step)) for step in steps]  # type: ignore[arg-type]
        return Gradients(logits.detach(), detached, gradients)


def refuse_not_finite(model: AttentionModel, images: Tensor, logits: Tensor) -> None:
    """Pass if the logits are finite; one value that is not, in an image or a weight, reaches them.

    Raises:
        InputError: naming the image or the weight.
    """
    if bool(torch.isfinite(logits).all()):
        return
    spoiled = (~torch.isfinite(images).flatten(1).all(dim=1)).nonzero().flatten().tolist()
    if spoiled:
        raise InputError(f"images: number {spoiled[0]} of the batch holds NaN or infinity; leave it out")
    for name, parameter in model.named_parameters():
        if not bool(torch.isfinite(parameter).all()):
            raise InputError(f"model: its weight {name} holds NaN or infinity; train it again")
    raise InputError(f"model: its logits overflow in {logits.dtype}; use float32 or bfloat16")


@contextmanager
def _frozen(model: AttentionModel) -> Iterator[None]:
    trained = [parameter for _, parameter in model.named_parameters() if parameter.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)


def _run_mlp(mlp: Any, features: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor]:
    if type(mlp) is not Mlp:
        return None, None, mlp(features)
    hidden = mlp.fc1(features)
    active = mlp.norm(mlp.act(hidden))
    return hidden, active, mlp.fc2(active)
