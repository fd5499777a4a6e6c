"""Attention rollout as published code does it, written from its description: one image, whole matrices, one setting."""

import torch
from torch import Tensor

from stages.models.vit import RolloutClassifier


def published_rollout(model: RolloutClassifier, images: Tensor, fusion: str, discard: float) -> Tensor:
    """Return maps (N, patches): attention is collected by hooks on timm's unfused path, images go one by one.

    Deviation: the smallest entries are set to 0 in every image, where the published code reaches the first only.
    """
    kept: list[Tensor] = []
    attentions = [block.attn for block in model.backbone.blocks]
    fused_before = [attention.fused_attn for attention in attentions]
    hooks = [a.attn_drop.register_forward_hook(lambda _, inputs, __: kept.append(inputs[0])) for a in attentions]
    try:
        for attention in attentions:
            attention.fused_attn = False
        maps = []
        for image in images:
            kept.clear()
            model(image[None])
            maps.append(_roll_out(kept, fusion, discard))
        return torch.stack(maps)
    finally:
        for attention, hook, fused in zip(attentions, hooks, fused_before, strict=True):
            attention.fused_attn = fused
            hook.remove()


def _roll_out(layers: list[Tensor], fusion: str, discard: float) -> Tensor:
    identity = torch.eye(layers[0].shape[-1], device=layers[0].device)
    product = identity
    for attention in layers:
        fused = {"mean": attention.mean, "max": attention.amax, "min": attention.amin}[fusion](dim=1)
        flat = fused.flatten(1)
        smallest = flat.topk(int(flat.shape[1] * discard), largest=False).indices[0]
        flat[0, smallest[smallest != 0]] = 0
        mixed = (fused + identity) / 2
        product = (mixed / mixed.sum(dim=-1)) @ product
    row = product[0, 0, 1:]
    return row / row.max()
