"""What is exported of a classifier, one module: pixels of tiles -> probability, logits, heatmap and features.

One class for each pair of family and explanation that a graph can hold, in `GRAPHS`.
"""

from typing import Any

import torch
from torch import Tensor, nn

from stages.explainers.good_tiles import GoodTiles, common_grid, has_cam
from stages.exports.rollout_graph import roll_out
from stages.models.attention import run_blocks
from stages.models.cnn import CamClassifier
from stages.models.features import EarlyFeatures
from stages.models.geometry import enlarged
from stages.models.rollout import Setting, fuse_heads
from stages.models.trained import Description
from stages.models.vit import RolloutClassifier
from stages.models.weights import Classifier
from stages.scores.scores import Explanation

INPUT = "tiles"
OUTPUTS = ("probability", "logits", "heatmap", "features")
ATTENTION = "attention"


class _TileGraph(nn.Module):
    """Tiles (N, px, px, 3) uint8 RGB -> `OUTPUTS`."""

    not_good: Tensor  # (K,) 0, and minus infinity for good

    def __init__(self, model: Classifier, description: Description) -> None:
        super().__init__()
        self.model: Any = model
        self.temperature = description.temperature or 1.0
        good = [-torch.inf if name == "good" else 0.0 for name in description.classes]
        self.register_buffer("not_good", torch.tensor(good), persistent=False)

    def _images(self, tiles: Tensor) -> Tensor:
        """Return (N, 3, px, px) float32 in 0..1, as `stages.models.batches.to_images`."""
        return tiles.permute(0, 3, 1, 2).float() / 255

    def _probability(self, logits: Tensor) -> Tensor:
        calibrated = logits / self.temperature
        return calibrated.sigmoid() if logits.ndim == 1 else calibrated.softmax(dim=1)


class CamGraph(_TileGraph):
    """A CNN with its class activation map: of a defect, or of each tile's likeliest kind of defect."""

    def __init__(self, model: CamClassifier, description: Description, *_: object) -> None:
        super().__init__(model, description)

    def forward(self, tiles: Tensor) -> tuple[Tensor, ...]:
        """Return probability (N,) or (N, K), logits likewise, heatmap (N, rows, columns), features (N, C)."""
        model = self.model
        features = model.backbone((self._images(tiles) - model.mean) / model.std)[0]
        logits = model.classify(features)
        cam = nn.functional.conv2d(features, model.head.weight)  # the same node as inside `classify`: stays once
        return self._probability(logits), logits, self._of_target(cam, logits), features.mean(dim=(2, 3))

    def _of_target(self, cam: Tensor, logits: Tensor) -> Tensor:
        """Return the maps (N, rows, columns) that stage explain makes: `stages.explainers.target.defect_target`."""
        if logits.ndim == 1:
            return cam[:, 0]
        target = (logits + self.not_good).argmax(dim=1)
        places = target[:, None, None, None].expand(-1, 1, *cam.shape[2:])
        return cam.gather(1, places)[:, 0]


class TokenCamGraph(CamGraph):
    """A ViT that reads its patch tokens, with its class map."""

    def forward(self, tiles: Tensor) -> tuple[Tensor, ...]:
        """Return what the graph of a CNN returns; features are the mean of the patch tokens."""
        backbone = self.model.backbone
        tokens = self.model.embed(self._images(tiles))
        for block in backbone.blocks:
            tokens = block(tokens)
        tokens = backbone.norm(tokens)
        logits, cam = self.model.read(tokens)
        features = tokens[:, backbone.num_prefix_tokens :].mean(dim=1)
        return self._probability(logits), logits, self._of_target(cam, logits), features


class RolloutGraph(_TileGraph):
    """A ViT that reads its class token, with attention rollout under one setting.

    Args:
        model, description: of the classifier.
        setting: fusion and discard ratio.
        normalise: see `stages.models.rollout`.
        watched: return the fused attention (N, layers, tokens, tokens) as well, where something is discarded.
    """

    def __init__(
        self,
        model: RolloutClassifier,
        description: Description,
        setting: Setting,
        normalise: str,
        watched: bool = False,
        *_: object,
    ) -> None:
        super().__init__(model, description)
        self.setting, self.normalise, self.watched = setting, normalise, watched

    def forward(self, tiles: Tensor) -> tuple[Tensor, ...]:
        """Return probability (N,) or (N, K), logits likewise, heatmap (N, rows, columns), features (N, C)."""
        model = self.model
        all_rows = self.normalise == "published" or self.setting.discard > 0
        fused = []
        for step in run_blocks(model, model.embed(self._images(tiles)), all_weights=all_rows):
            fused.append(fuse_heads(step.weights, self.setting.fusion))
        logits, features = model.classify(step.after), model.backbone.norm(step.after)[:, 0]
        heatmap = model.to_map(roll_out(fused, self.setting, self.normalise)[:, None])[:, 0]
        outputs = self._probability(logits), logits, heatmap, features
        return (*outputs, torch.stack(fused, dim=1)) if self.watched else outputs


class NoveltyGraph(nn.Module):
    """Class map + weight x distance to good features (`stages.explainers.novelty`), both from one forward pass.

    Args:
        model, description: of the classifier.
        setting: the weight as its discard; of a ViT that reads its class token the fusion of the class map.
        normalise: of that one's rollout.
        good: what was learned of good tiles, with the classifier's own features.
    """

    memory: Tensor  # (M, P) good features
    centre: Tensor  # (P,) of the projected features: what is subtracted from them
    axes: Tensor  # (C, P)

    def __init__(
        self,
        model: Classifier,
        description: Description,
        setting: Setting,
        normalise: str,
        watched: bool,
        good: GoodTiles,
    ) -> None:
        super().__init__()
        kind: Any = GRAPHS[description.architecture.family, "cam" if has_cam(model) else "rollout"]
        self.classifier = kind(model, description, Setting(setting.fusion, 0.0), normalise)
        self.weight, self.cell_px, self.early = setting.discard, model.cell_px, EarlyFeatures(model)
        self.class_map, self.distance = good.class_maps[None if has_cam(model) else setting.fusion], good.distance
        middle = good.memory.mean(dim=0)  # as origin it keeps the squares below small
        for name, value in (("memory", good.memory - middle), ("centre", good.centre @ good.axes + middle)):
            self.register_buffer(name, value, persistent=False)
        self.register_buffer("axes", good.axes, persistent=False)

    def forward(self, tiles: Tensor) -> tuple[Tensor, ...]:
        """Return what the graph of the class map returns; the heatmap on the finer grid of class map and features."""
        with self.early.heard() as heard:
            probability, logits, class_map, features = self.classifier(tiles)
            found = heard()
        maps, rows_columns, coarser = common_grid(class_map[:, None], self.cell_px, found, self.early.cell_px)
        shown = self.class_map.standardised(maps)
        if self.weight:
            distances = self.distance.standardised(self._nearest(found))
            shown = shown + self.weight * enlarged(distances, coarser, rows_columns)
        return probability, logits, shown[:, 0], features

    def _nearest(self, features: Tensor) -> Tensor:
        """Return (N, 1, h, w) how far features (N, C, h, w) are from the nearest of the memory."""
        cells = features.permute(0, 2, 3, 1) @ self.axes - self.centre
        squares = self.memory.square().sum(dim=1) - 2 * (cells @ self.memory.mT)
        return (squares.amin(dim=3) + cells.square().sum(dim=3)).clamp(min=0).sqrt()[:, None]


GRAPHS: dict[tuple[str, str], type[nn.Module]] = {
    ("cnn", "cam"): CamGraph,
    ("cnn", "novelty"): NoveltyGraph,
    ("vit", "rollout"): RolloutGraph,
    ("vit", "cam"): TokenCamGraph,
    ("vit", "novelty"): NoveltyGraph,
}


def build_graph(
    model: Classifier,
    description: Description,
    explanation: Explanation,
    normalise: str,
    watched: bool = False,
    learned: Any = None,
) -> nn.Module:
    """Return the module to export, in evaluation mode.

    Args:
        model, description: of the classifier.
        explanation: the one that validation chose; exportable.
        normalise: of rollout, see `stages.models.rollout`.
        watched: see `RolloutGraph`; nothing else has what is to be watched.
        learned: what the explanation's method learned of good tiles, where it learns.
    """
    kind: Any = GRAPHS[description.architecture.family, explanation.method]
    setting = Setting(explanation.fusion, explanation.discard)
    return kind(model, description, setting, normalise, watched, learned).eval()
