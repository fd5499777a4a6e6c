"""Vision transformer with attention rollout inside its forward pass (thesis section 2.3)."""

import copy
from functools import partial
from typing import Any

import timm
import torch
from timm.layers import HybridEmbed
from timm.layers.attention import Attention
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from stages.models.attention import run_blocks
from stages.models.outputs import Outputs, as_logits
from stages.models.rollout import Setting, fuse_heads, rollout
from stages.models.settings import Head
from stages.runtime.errors import InputError

WIDTHS_PX = 256, 384  # of the images that a stem's stride is measured on: multiples of any stride


class RolloutClassifier(nn.Module):
    """timm ViT with a class token -> one neuron per class on the class token -> logits; rollout maps on request.

    Without settings the blocks run as timm wrote them (fused attention). With settings one forward pass computes the
    attention matrices explicitly, fuses them over heads, and rolls them out for every setting.

    Args:
        arch: a timm VisionTransformer with a class token.
        px: side of the square images; position embeddings are resampled to it.
        stem: features that the blocks read instead of patches of pixels (a hybrid ViT), or None.
        depth: number of blocks, or None for all of the architecture's.
        mean, std: of the pre-training, per channel, applied to images in 0..1.
        pretrained: timm's `pretrained_cfg_overlay` that says where weights come from, or None for random weights.
        neurons: 1 for good / defective, else one per class.

    Raises:
        InputError: the architecture is no ViT with a class token, or px is no multiple of its patch.
    """

    def __init__(
        self,
        arch: str,
        px: int,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        pretrained: dict[str, Any] | None = None,
        stem: nn.Module | None = None,
        depth: int | None = None,
        neurons: int = 1,
    ) -> None:
        super().__init__()
        self.settings = Head()  # nothing is to be set of a neuron that reads the class token
        shape: dict[str, Any] = {"depth": depth} if depth else {}
        if stem is not None:
            shape |= {"patch_size": 1, "embed_layer": partial(HybridEmbed, backbone=stem)}
        try:
            self.backbone = timm.create_model(
                arch,
                num_classes=0,
                img_size=px,
                pretrained=pretrained is not None,
                pretrained_cfg_overlay=pretrained,
                **shape,
            )
        except TypeError:
            raise InputError(f"params.yaml: arch {arch!r} is no vision transformer that rollout can explain") from None
        if reason := _why_no_rollout(self.backbone):
            raise InputError(f"params.yaml: arch {arch!r} cannot be a rollout model: {reason}")
        patch = self.backbone.patch_embed.patch_size[0]
        if px % patch:
            raise InputError(f"params.yaml: tile.px is {px}; {arch!r} needs a multiple of its patch, {patch}")
        self.head = nn.Linear(self.backbone.embed_dim, neurons)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor, settings: tuple[Setting, ...] = (), normalise: str = "rows") -> Outputs:
        """Classify images (N, 3, px, px) in 0..1; with S settings, heatmaps are (N, S, px/patch, px/patch).

        Args:
            images: to classify.
            settings: fusions and discard ratios to roll out with; none for the logits alone.
            normalise: `rows` or `published`, see `stages.models.rollout`.
        """
        tokens = self.embed(images)
        if not settings:
            for block in self.backbone.blocks:
                tokens = block(tokens)
            return Outputs(self.classify(tokens), None)
        fused: dict[str, list[Tensor]] = {setting.fusion: [] for setting in settings}
        all_rows = normalise == "published" or any(setting.discard > 0 for setting in settings)
        for step in run_blocks(self, tokens, all_weights=all_rows):
            for fusion, layers in fused.items():
                layers.append(fuse_heads(step.weights, fusion))
        return Outputs(self.classify(step.after), self.to_map(rollout(fused, settings, normalise)))

    def embed(self, images: Tensor) -> Tensor:
        """Return the tokens (N, tokens, C) that enter the first block, of images (N, 3, px, px) in 0..1."""
        pixels = ((images - self.mean) / self.std).to(self.head.weight.dtype)  # type: ignore[operator]
        return self.backbone.norm_pre(self.backbone._pos_embed(self.backbone.patch_embed(pixels)))

    def classify(self, tokens: Tensor) -> Tensor:
        """Return the logits, as `Outputs` has them, of the last block's tokens (N, tokens, C), class token first."""
        return as_logits(self.head(self.backbone.norm(tokens)[:, 0]))

    def to_map(self, tokens: Tensor) -> Tensor:
        """Return values of all tokens but the class token (N, S, tokens - 1) as maps (N, S, px/patch, px/patch)."""
        # register tokens, where there are any, stand between the class token and the patches
        return tokens[..., self.backbone.num_prefix_tokens - 1 :].unflatten(-1, self.backbone.patch_embed.grid_size)

    @property
    def network(self) -> Any:
        """The whole backbone: what has pre-trained weights."""
        return self.backbone

    @property
    def cell_px(self) -> float:
        """Side of a map cell in pixels of the image: a patch, times the stride of the stem where there is one."""
        embedding: Any = self.backbone.patch_embed
        stem = getattr(embedding, "backbone", None)
        return float(embedding.patch_size[1] * (1 if stem is None else _stride_of(stem)))

    def stage_parameters(self, count: int) -> list[nn.Parameter]:
        """Return the parameters of the embedding and the first `count` blocks; none for 0.

        Raises:
            InputError: there are fewer blocks.
        """
        blocks = self.backbone.blocks
        if count > len(blocks):
            raise InputError(f"params.yaml: frozen_stages is {count}; this ViT has {len(blocks)} blocks")
        if count == 0:
            return []
        later = {id(p) for module in (*blocks[count:], self.backbone.norm) for p in module.parameters()}
        return [p for p in self.backbone.parameters() if id(p) not in later]


def _stride_of(stem: Any) -> float:
    """Return how many pixels of the image one step in a stem's features is.

    Stems that `stages.models.backbones` builds say it. Those inside timm's own hybrids do not: it is the difference
    of two widths over that of their features, because the number of features of one width is rounded.
    """
    if hasattr(getattr(stem, "feature_info", None), "reduction"):
        return float(stem.feature_info.reduction()[-1])
    tried = copy.deepcopy(stem).eval()
    with torch.no_grad():
        narrow, wide = (tried(torch.zeros(1, 3, 64, width)).shape[3] for width in WIDTHS_PX)
    return (WIDTHS_PX[1] - WIDTHS_PX[0]) / (wide - narrow)


def _why_no_rollout(backbone: nn.Module) -> str | None:
    """Return why attention cannot be rolled out through this network, or None."""
    if not isinstance(backbone, VisionTransformer):
        return f"it is a {type(backbone).__name__}, not a timm VisionTransformer"
    if not backbone.has_class_token:
        return "it has no class token to roll out from"
    block = backbone.blocks[0]
    if not isinstance(getattr(block, "attn", None), Attention) or not hasattr(block, "ls2"):
        return f"its blocks ({type(block).__name__}) keep their attention elsewhere"
    return None
