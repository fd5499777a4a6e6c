"""What is exported of a classifier, one module: pixels of tiles -> probability, logits, heatmap and features.

One class for each pair of family and explanation that a graph can hold, in `GRAPHS`.
"""

from typing import Any

import torch
from torch import Tensor, nn

from stages.explainers.settings import ExplainCommon
from stages.exports.rollout_graph import roll_out
from stages.models.attention import run_blocks
from stages.models.cnn import CamClassifier
from stages.models.registry import Architecture
from stages.models.rollout import FUSIONS, Setting, fuse_heads
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


GRAPHS: dict[tuple[str, str], type[_TileGraph]] = {
    ("cnn", "cam"): CamGraph,
    ("vit", "rollout"): RolloutGraph,
    ("vit", "cam"): TokenCamGraph,
}


def why_not_exportable(
    name: str, architecture: Architecture, explanation: Explanation, parameters: ExplainCommon
) -> str | None:
    """Return why the heatmaps of a model cannot be part of its graph, in one line; None: they can.

    Args:
        name, architecture: of the model.
        explanation: the one that validation chose.
        parameters: the section `explain` of params.yaml.
    """
    own = [method for family, method in GRAPHS if family == architecture.family]
    if explanation.method not in own:
        return (
            f"params.yaml: {name} is explained by {explanation.method!r}, which an exported graph cannot hold; put "
            f"{' or '.join(own)} first in explain.methods.{architecture.family}, or leave {name} out of export.models"
        )
    if explanation.method == "rollout" and explanation.fusion not in FUSIONS:
        return (
            f"params.yaml: {name} is explained by rollout with the fusion {explanation.fusion!r}, which an exported "
            f"graph cannot hold; it can hold {', '.join(FUSIONS)}"
        )
    if explanation.method == "rollout" and architecture.head.reads == "patch_tokens":
        return (
            f"params.yaml: {name} reads its patch tokens, from which an exported graph cannot roll out; put cam first "
            f"in explain.methods.vit, or leave {name} out of export.models"
        )
    if parameters.flips != "none" or parameters.scales != (1.0,):
        return (
            "params.yaml: explain.flips and explain.scales average maps of several forward passes, which an exported "
            f"graph does not; set them to none and [1.0], or leave {name} out of export.models"
        )
    return None


def build_graph(
    model: Classifier, description: Description, explanation: Explanation, normalise: str, watched: bool = False
) -> nn.Module:
    """Return the module to export, in evaluation mode.

    Args:
        model, description: of the classifier.
        explanation: the one that validation chose; exportable.
        normalise: of rollout, see `stages.models.rollout`.
        watched: see `RolloutGraph`; nothing else has what is to be watched.
    """
    kind: Any = GRAPHS[description.architecture.family, explanation.method]
    setting = Setting(explanation.fusion, explanation.discard)
    return kind(model, description, setting, normalise, watched).eval()
