"""The last part of a ViT for the class token alone: logits read no other token, so none other is computed."""

from typing import Any

from torch import Tensor, nn

from stages.models.vit import RolloutClassifier


def tokens_before_last_block(model: RolloutClassifier, embedded: Tensor) -> Tensor:
    """Return the tokens (N, T, C) that enter the last block; `embedded` (N, patches, C) is the patch embedding's."""
    backbone: Any = model.backbone
    tokens = backbone.norm_pre(backbone._pos_embed(embedded))
    for block in backbone.blocks[:-1]:
        tokens = block(tokens)
    return tokens


def logits_of_last_block(model: RolloutClassifier, tokens: Tensor, normed: Tensor) -> Tensor:
    """Return the logits, as `Outputs` has them, from the tokens that enter the last block.

    Keys and values come from all tokens, the query from the class token only: the same numbers as the whole block gives
    for it, for about a third of the block's work.

    Args:
        tokens: (N, T, C).
        normed: (N, T, C) the same tokens after the block's first normalisation.
    """
    backbone: Any = model.backbone
    block = backbone.blocks[-1]
    token = tokens[:, :1]
    token = token + block.drop_path1(block.ls1(_attend_from_class_token(block.attn, normed)))
    token = token + block.drop_path2(block.ls2(block.mlp(block.norm2(token))))
    logits = model.head(backbone.norm(token)[:, 0])
    return logits[:, 0] if logits.shape[1] == 1 else logits


def _attend_from_class_token(attention: Any, tokens: Tensor) -> Tensor:
    """Return the class token's row, (N, 1, C), of timm's `attention(tokens)`."""
    batch, count, _ = tokens.shape
    width, (weight, bias) = attention.attn_dim, (attention.qkv.weight, attention.qkv.bias)
    linear = nn.functional.linear
    query = linear(tokens[:, :1], weight[:width], None if bias is None else bias[:width])
    others = linear(tokens, weight[width:], None if bias is None else bias[width:])
    query = query.reshape(batch, 1, attention.num_heads, attention.head_dim).transpose(1, 2)
    key, value = others.reshape(batch, count, 2, attention.num_heads, attention.head_dim).permute(2, 0, 3, 1, 4)
    mixed = nn.functional.scaled_dot_product_attention(attention.q_norm(query), attention.k_norm(key), value)
    mixed = attention.norm(mixed.transpose(1, 2).reshape(batch, 1, width))
    if attention.gate is not None:
        mixed = mixed * attention.gate(tokens[:, :1]).sigmoid()
    return attention.proj(mixed)
