"""Readable references for the ViT methods: hooks on timm's explicit attention, full matrices, one image, float64."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from stages.models.settings import Head
from stages.models.vit import RolloutClassifier


def tiny(
    neurons: int = 1, arch: str = "test_vit", px: int = 48, depth: int | None = 3, head: Head | None = None
) -> RolloutClassifier:
    """A small model in double precision whose attentions and logits differ visibly between images."""
    torch.manual_seed(0)
    model = RolloutClassifier(arch, px, (0.5,) * 3, (0.5,) * 3, depth=depth, neurons=neurons, head=head).eval().double()
    for name, parameter in model.named_parameters():
        if name.endswith("weight") and parameter.ndim == 2:
            nn.init.normal_(parameter, std=0.2)
        elif name.endswith(("bias", "gamma", "_token")):
            nn.init.normal_(parameter, mean=1.0 if name.endswith("gamma") else 0.0, std=0.1)
    return model


def images(count: int, px: int = 48) -> Tensor:
    return torch.rand(count, 3, px, px, generator=torch.Generator().manual_seed(1)).double()


def score(model: RolloutClassifier, image: Tensor, target: int | None) -> Tensor:
    """The score of one image (1, 3, px, px)."""
    logits = model(image).logits[0]
    if logits.ndim == 0:
        return -logits if target == 0 else logits
    return logits.max() if target is None else logits[target]


def hooked(model: RolloutClassifier, image: Tensor, target: int | None) -> tuple[list[Tensor], list[Tensor]]:
    """Attention (heads, N, N) of every layer and its gradient."""
    kept: list[Tensor] = []

    def keep(_: nn.Module, inputs: tuple[Tensor, ...], __: Tensor) -> None:
        inputs[0].retain_grad()
        kept.append(inputs[0])

    with unfused(model):
        handles = [block.attn.attn_drop.register_forward_hook(keep) for block in model.backbone.blocks]
        score(model, image, target).backward()
        for handle in handles:
            handle.remove()
    model.zero_grad()
    return [attention.detach()[0] for attention in kept], [attention.grad[0] for attention in kept]  # type: ignore[index]


@contextmanager
def unfused(model: RolloutClassifier) -> Iterator[None]:
    for block in model.backbone.blocks:
        block.attn.fused_attn = False
    yield
    for block in model.backbone.blocks:
        block.attn.fused_attn = True


def to_map(model: RolloutClassifier, matrix: Tensor, kept: Tensor | None = None) -> Tensor:
    """As a map of the patches: the class token's row of a full matrix, or the mean of those of the patches, where these
    are read, without the diagonal matrix of what tokens keep of themselves (None: of ones)."""
    first = model.backbone.num_prefix_tokens
    moved = matrix - (torch.eye(len(matrix), dtype=torch.float64) if kept is None else kept)
    row = moved[first:].mean(dim=0) if model.settings.reads == "patch_tokens" else moved[0]
    return row[first:].reshape(model.backbone.patch_embed.grid_size)


def fused_gradient(attention: Tensor, gradient: Tensor) -> Tensor:
    """(N, N): mean over heads of gradient x attention, entry by entry, negative ones 0."""
    heads, count, _ = attention.shape
    fused = torch.zeros(count, count, dtype=torch.float64)
    for i, j in itertools.product(range(count), repeat=2):
        mean = sum((attention[head, i, j] * gradient[head, i, j]).item() for head in range(heads)) / heads
        fused[i, j] = max(0.0, mean)
    return fused


def gradient_rollout(model: RolloutClassifier, image: Tensor, target: int | None) -> Tensor:
    attentions, gradients = hooked(model, image, target)
    result = kept = torch.eye(attentions[0].shape[-1], dtype=torch.float64)
    for attention, gradient in zip(attentions, gradients, strict=True):
        fused = fused_gradient(attention, gradient)
        mixed = fused + torch.eye(len(fused), dtype=torch.float64)
        result = (mixed / mixed.sum(dim=1, keepdim=True)) @ result
        kept = torch.diag(1 / mixed.sum(dim=1)) @ kept
    return to_map(model, result, kept)


def attention_gradient(model: RolloutClassifier, image: Tensor, target: int | None) -> Tensor:
    attentions, gradients = hooked(model, image, target)
    result = torch.eye(attentions[0].shape[-1], dtype=torch.float64)
    for attention, gradient in zip(attentions, gradients, strict=True):
        result = result + (attention * gradient).clamp(min=0).mean(dim=0) @ result
    return to_map(model, result)


def lrp(model: RolloutClassifier, image: Tensor, target: int | None) -> tuple[Tensor, list[float]]:
    """The map, and the sum of the relevance that enters each block, last to first."""
    _, gradients = hooked(model, image, target)
    seen: dict[nn.Module, tuple[Tensor, Tensor]] = {}

    def keep(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        seen[module] = inputs[0].detach()[0], output.detach()[0]

    with unfused(model):
        handles = [module.register_forward_hook(keep) for module in model.backbone.modules()]
        logits = model(image).logits[0].detach()
        for handle in handles:
            handle.remove()
    weight = model.head.weight.detach()
    if logits.ndim == 0:
        weight = -weight if target == 0 else weight
    else:
        chosen = int(logits.argmax()) if target is None else target
        weight = weight[chosen : chosen + 1]
    read = seen[model.backbone.norm][1]
    share = token_shares(model, read, weight)  # one linear layer of all tokens and channels
    relevance = linear(
        (share[:, None] * weight).reshape(1, -1), read.reshape(1, -1), torch.ones(1, 1, dtype=torch.float64)
    ).reshape(read.shape)
    matrix = torch.eye(len(relevance), dtype=torch.float64)
    sums = []
    for block, gradient in zip(reversed(model.backbone.blocks), reversed(gradients), strict=True):
        relevance, of_attention = block_relevance(block, seen, relevance)
        matrix = matrix @ (torch.eye(len(relevance)).double() + (gradient * of_attention).clamp(min=0).mean(dim=0))
        sums.append(relevance.sum().item())
    return to_map(model, matrix), sums


def token_shares(model: RolloutClassifier, read: Tensor, weight: Tensor) -> Tensor:
    """How much each token counts in a score that reads the class token, or the patches' mean or best 2."""
    shares = torch.zeros(len(read), dtype=torch.float64)
    first, pool = model.backbone.num_prefix_tokens, model.settings.pool
    if model.settings.reads == "class_token":
        shares[0] = 1
        return shares
    cells = [float(token @ weight[0]) for token in read[first:]]
    count = {"mean": len(cells), "top_k": 2}[pool]
    if pool == "top_k":
        assert round(model.settings.share * len(cells)) == count
    positive = model.head.weight.detach() if len(model.head.weight) == 1 else weight
    sign = 1 if torch.equal(positive, weight) else -1  # of a binary model's good tile the best are the highest, too
    for place in sorted(range(len(cells)), key=lambda cell: -sign * cells[cell])[:count]:
        shares[first + place] = 1 / count
    return shares


def block_relevance(
    block: nn.Module, seen: dict[nn.Module, tuple[Tensor, Tensor]], relevance: Tensor
) -> tuple[Tensor, Tensor]:
    attn, mlp = block.attn, block.mlp

    def back(layer: nn.Module, given: Tensor) -> Tensor:
        return linear(layer.weight.detach(), seen[layer][0], given)

    middle = seen[block.norm2][0]
    residual, branch = addition(middle, seen[block.drop_path2][1], relevance)
    relevance = residual + back(mlp.fc1, back(mlp.fc2, branch))
    residual, branch = addition(seen[block][0], seen[block.drop_path1][1], relevance)
    of_mixed = back(attn.proj, branch)
    weights = seen[attn.attn_drop][0]
    query, key, value = seen[attn.qkv][1].unflatten(1, (3, attn.num_heads, attn.head_dim)).permute(1, 2, 0, 3)
    of_weights, of_qkv = [], torch.zeros_like(seen[attn.qkv][1])
    for head in range(attn.num_heads):
        columns = slice(head * attn.head_dim, (head + 1) * attn.head_dim)
        of_weight, of_value = product(weights[head], value[head], of_mixed[:, columns])
        of_query, of_key = product(query[head], key[head].T, of_weight)
        for number, part in enumerate((of_query, of_key.T, of_value)):
            start = number * attn.attn_dim + head * attn.head_dim
            of_qkv[:, start : start + attn.head_dim] = part
        of_weights.append(of_weight)
    return residual + back(attn.qkv, of_qkv), torch.stack(of_weights)


def linear(weight: Tensor, inputs: Tensor, relevance: Tensor) -> Tensor:
    """z+ rule, token by token and output by output."""
    result = torch.zeros_like(inputs)
    for token, out in itertools.product(range(len(inputs)), range(len(weight))):
        positive = (weight[out] * inputs[token]).clamp(min=0)
        if positive.sum() > 0:
            result[token] += positive / positive.sum() * relevance[token, out]
    return result


def product(left: Tensor, right: Tensor, relevance: Tensor) -> tuple[Tensor, Tensor]:
    """Of left @ right (I, K) @ (K, J), relevance (I, J), half to either."""
    products = left[:, :, None] * right[None]
    parts = products * quotient(relevance, products.sum(dim=1))[:, None]
    return parts.sum(dim=2) / 2, parts.sum(dim=0) / 2


def addition(first: Tensor, second: Tensor, relevance: Tensor) -> tuple[Tensor, Tensor]:
    parts = [term * quotient(relevance, first + second) for term in (first, second)]
    sizes = [part.sum().abs() for part in parts]
    wanted = [size / (sizes[0] + sizes[1]) * relevance.sum() if sum(sizes) else size for size in sizes]
    first, second = (part * quotient(goal, part.sum()) for part, goal in zip(parts, wanted, strict=True))
    return first, second


def quotient(above: Tensor, below: Tensor) -> Tensor:
    return torch.where(below == 0, 0, above / (below + 1e-9 * below.sign()))


METHODS: dict[str, Callable[[RolloutClassifier, Tensor, int | None], Tensor]] = {
    "gradient_rollout": gradient_rollout,
    "attention_gradient": attention_gradient,
    "lrp": lambda model, image, target: lrp(model, image, target)[0],
}
