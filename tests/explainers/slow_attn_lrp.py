"""A readable reference for AttnLRP: relevance itself, layer by layer, with the quotients of its rules."""

from typing import Any

import torch
from torch import Tensor, nn

from stages.models.vit import RolloutClassifier
from tests.explainers.slow_vit import token_shares, unfused


def attn_lrp(model: RolloutClassifier, image: Tensor, target: int | None) -> tuple[Tensor, dict[str, float]]:
    """The map, and what of the score is elsewhere: in biases, in softmax's constant terms, in tokens as they begin.

    Relevance R itself is handed back, layer by layer, with quotients R / output at each of them.
    """
    seen: dict[nn.Module, tuple[Tensor, Tensor]] = {}

    def keep(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        seen[module] = inputs[0].detach()[0], output.detach()[0]

    with unfused(model):
        handles = [module.register_forward_hook(keep) for module in model.modules() if module is not model]
        logits = model(image).logits[0].detach()
        for handle in handles:
            handle.remove()
    kept = {"biases": 0.0, "softmax": 0.0, "tokens": 0.0}

    def back(layer: Any, relevance: Tensor) -> Tensor:
        inputs, outputs = seen[layer]
        products = layer.weight.detach()[None] * inputs[:, None]  # token, output, input
        kept["biases"] += float((layer.bias.detach() * relevance / outputs).sum())
        return (products * (relevance / outputs)[:, :, None]).sum(dim=1)

    def normalised(layer: nn.LayerNorm, relevance: Tensor) -> Tensor:
        """Affine part, then division by the deviation (unchanged), then the mean taken away: x_i - sum_j x_j / C."""
        inputs, outputs = seen[layer]
        centred = inputs - inputs.mean(dim=1, keepdim=True)
        of_bias = layer.bias.detach() * relevance / outputs
        kept["biases"] += float(of_bias.sum())
        count = inputs.shape[1]
        matrix = torch.eye(count, dtype=torch.float64) - 1 / count
        return inputs * (((relevance - of_bias) / centred) @ matrix)

    def bilinear(left: Tensor, right: Tensor, relevance: Tensor) -> tuple[Tensor, Tensor]:
        parts = left[:, :, None] * right[None] * (relevance / (left @ right) / 2)[:, None]
        return parts.sum(dim=2), parts.sum(dim=0)

    def attention(attn: Any, relevance: Tensor) -> Tensor:
        of_mixed = back(attn.proj, relevance)
        weights = seen[attn.attn_drop][0]
        query, key, value = seen[attn.qkv][1].unflatten(1, (3, attn.num_heads, attn.head_dim)).permute(1, 2, 0, 3)
        parts = []
        for head in range(attn.num_heads):
            columns = slice(head * attn.head_dim, (head + 1) * attn.head_dim)
            of_weights, of_value = bilinear(weights[head], value[head], of_mixed[:, columns])
            scores = query[head] * attn.scale @ key[head].T
            of_scores = scores * (of_weights - weights[head] * of_weights.sum(dim=1, keepdim=True))
            constant = 1 - scores + (weights[head] * scores).sum(dim=1, keepdim=True)  # times s_i, of s(x) - J x
            kept["softmax"] += float((of_weights * constant).sum())
            of_query, of_key = bilinear(query[head] * attn.scale, key[head].T, of_scores)
            parts += [(0, head, of_query), (1, head, of_key.T), (2, head, of_value)]
        together = torch.zeros(3, attn.num_heads, len(weights[0]), attn.head_dim, dtype=torch.float64)
        for which, head, part in parts:
            together[which, head] = part
        return back(attn.qkv, together.permute(2, 0, 1, 3).flatten(1))

    backbone: Any = model.backbone
    weight, bias = model.head.weight.detach(), model.head.bias.detach()
    if logits.ndim == 0:
        weight, bias = (-weight, -bias) if target == 0 else (weight, bias)
    else:
        chosen = int(logits.argmax()) if target is None else target
        weight, bias = weight[chosen : chosen + 1], bias[chosen : chosen + 1]
    read = seen[backbone.norm][1]
    relevance = token_shares(model, read, weight)[:, None] * weight * read
    kept["biases"] += float(bias)
    relevance = normalised(backbone.norm, relevance)
    for block in reversed(backbone.blocks):
        middle, branch = seen[block.norm2][0], seen[block.drop_path2][1]
        after = middle + branch
        of_branch = relevance * branch / after
        of_active = back(block.mlp.fc2, of_branch)
        relevance = relevance * middle / after + normalised(block.norm2, back(block.mlp.fc1, of_active))
        before, branch = seen[block][0], seen[block.drop_path1][1]
        of_branch = relevance * branch / middle
        relevance = relevance * before / middle + normalised(block.norm1, attention(block.attn, of_branch))
    before, first = seen[backbone.blocks[0]][0], backbone.num_prefix_tokens
    embedded = seen[backbone.patch_embed][1].reshape(before[first:].shape)
    shares = relevance[first:] / before[first:]  # position embedding and bias of the patch embedding have theirs
    of_patches = (shares * (embedded - backbone.patch_embed.proj.bias.detach())).sum(dim=1)
    kept["tokens"] += float(relevance[:first].sum() + (shares * (before[first:] - embedded)).sum())
    kept["biases"] += float((shares * backbone.patch_embed.proj.bias.detach()).sum())
    return of_patches.reshape(backbone.patch_embed.grid_size), kept
