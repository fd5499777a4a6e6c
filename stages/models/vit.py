"""Vision transformer with attention rollout, and a map of each class, inside its forward pass.

`head.reads` says what its neurons read. The class token (thesis section 2.3): then rollout alone says where it looked.
Or the patch tokens, as a CNN's neurons read its cells, and with the same pools:

    cam[n, k, i] = sum_c weight[k, c] token[n, i, c]         token: of patch i, after the last normalisation
    logits[n, k] = pool(cam)[n, k] + bias[k]

The logit is then a function of a map that knows its class, and rollout says beside it where the patches looked. It is
the semantic map of TS-CAM (Gao et al. 2021), which has the mean and multiplies the map by rolled out attention.
"""

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
from stages.models.pools import POOLS
from stages.models.rollout import Setting, fuse_heads, rollout
from stages.models.settings import Head
from stages.runtime.errors import InputError

WIDTHS_PX = 256, 384  # of the images that a stem's stride is measured on: multiples of any stride


class RolloutClassifier(nn.Module):
    """timm ViT with a class token -> one neuron per class on what its head reads -> logits; maps on request.

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
        head: what the neurons read, and how the map of the patches is pooled; None: the thesis', the class token.

    Raises:
        InputError: the architecture is no ViT with a class token, px is no multiple of its patch, or the head wants
            another map than one cell per patch.
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
        head: Head | None = None,
    ) -> None:
        super().__init__()
        self.settings = head or Head()
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
        if self.settings.map_stride not in (None, self.cell_px):
            raise InputError(
                f"params.yaml: head.map_stride is {self.settings.map_stride}; a ViT's map has one cell per patch, here "
                f"{self.cell_px:g} px; use null (a hybrid's cells are its stem's, `stride` of the model)"
            )
        self.head = nn.Linear(self.backbone.embed_dim, neurons)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    def forward(
        self, images: Tensor, settings: tuple[Setting, ...] = (), normalise: str = "rows", explain: bool = False
    ) -> Outputs:
        """Classify images (N, 3, px, px) in 0..1; the heatmaps are all of px/patch x px/patch.

        Args:
            images: to classify.
            settings: S fusions and discard ratios to roll out with; () for none.
            normalise: `rows` or `published`, see `stages.models.rollout`.
            explain: the heatmaps begin with the K class maps: (N, K + S, px/patch, px/patch), without (N, S, ...).

        Raises:
            InputError: class maps are wanted of a model that reads its class token.
        """
        if explain and not self.reads_patches:
            raise InputError("cam: a ViT that reads its class token has no class map; train one on patch tokens")
        tokens = self.embed(images)
        if not settings:
            for block in self.backbone.blocks:
                tokens = block(tokens)
            logits, cam = self.read(self.backbone.norm(tokens))
            return Outputs(logits, cam if explain else None)
        fused: dict[str, list[Tensor]] = {setting.fusion: [] for setting in settings}
        all_rows = normalise == "published" or any(setting.discard > 0 for setting in settings)
        for step in run_blocks(self, tokens, all_weights=all_rows):
            for fusion, layers in fused.items():
                layers.append(fuse_heads(step.weights, fusion))
        logits, cam = self.read(self.backbone.norm(step.after))
        rolled = self.to_map(rollout(fused, settings, normalise, self.patches_from))
        return Outputs(logits, rolled if not explain or cam is None else torch.cat((cam, rolled), dim=1))

    def embed(self, images: Tensor) -> Tensor:
        """Return the tokens (N, tokens, C) that enter the first block, of images (N, 3, px, px) in 0..1."""
        pixels = ((images - self.mean) / self.std).to(self.head.weight.dtype)  # type: ignore[operator]
        return self.backbone.norm_pre(self.backbone._pos_embed(self.backbone.patch_embed(pixels)))

    def classify(self, tokens: Tensor) -> Tensor:
        """Return the logits, as `Outputs` has them, of the last block's tokens (N, tokens, C), class token first."""
        return self.read(self.backbone.norm(tokens))[0]

    def read(self, normed: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return logits and class maps, (N, K, px/patch, px/patch) or None, of tokens after the last normalisation."""
        if not self.reads_patches:
            return as_logits(self.head(normed[:, 0])), None
        cam = self.to_map(nn.functional.linear(normed[:, 1:], self.head.weight).mT)
        return as_logits(POOLS[self.settings.pool](cam, self.settings) + self.head.bias), cam

    def to_map(self, tokens: Tensor) -> Tensor:
        """Return values of all tokens but the class token (N, S, tokens - 1) as maps (N, S, px/patch, px/patch)."""
        # register tokens, where there are any, stand between the class token and the patches
        return tokens[..., self.backbone.num_prefix_tokens - 1 :].unflatten(-1, self.backbone.patch_embed.grid_size)

    @property
    def reads_patches(self) -> bool:
        """Whether the neurons read the patch tokens; else the class token."""
        return self.settings.reads == "patch_tokens"

    @property
    def rows(self) -> int | None:
        """How many of the last block's first tokens the logits depend on: the class token alone, or (None) all."""
        return None if self.reads_patches else 1

    @property
    def patches_from(self) -> int | None:
        """The place of the first patch among the tokens, where the neurons read the patches: as `rollout` wants it."""
        return self.backbone.num_prefix_tokens if self.reads_patches else None

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
