"""RISE (Petsiuk, Das and Saenko 2018, "RISE: randomized input sampling for explanation of black-box models").

    map[y, x] = 1 / (N p)  sum_i score(image * mask_i) mask_i[y, x]

An estimate of the mean score of the image where (y, x) is to be seen. Section 3.2: a mask is a grid of `cells` x
`cells`, each 1 with probability p, else 0; enlarged bilinearly to a square of cells + 1 times C = ceil(px / cells)
pixels; and of that px x px pixels, from a row and a column that are drawn from 0 to C - 1. Grids and places are drawn
from the seed alone: the same masks for every image, every model and every batch. Multiplied is the normalised image, as
in the published code, so that what is hidden fades into the mean colour of the pre-training.

The map is its mean over cells of half the side of a grid's: finer detail is of the draw, not of the image.

Deviations: the score is `select_score`, a logit as in every other method here, where the paper has a probability, which
hardly changes where the model is sure; C is rounded up, where the paper rounds down and a border would be left.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from stages.explainers.cells import Cells
from stages.explainers.method import Method
from stages.explainers.settings import Time
from stages.models.attention import refuse_not_finite
from stages.models.outputs import Outputs, Target, select_score, target_classes
from stages.models.weights import Classifier
from stages.runtime.convert import above, at_least
from stages.runtime.errors import InputError
from stages.runtime.seeds import derive_seed

HALVES = 2  # cells of the map along the side of a grid's cell


@dataclass(frozen=True)
class Rise:
    """How many masks of how many cells a side, each seen with this probability, and how many at once."""

    masks: Annotated[int, at_least(1)]
    cells: Annotated[int, at_least(1)]
    probability: Annotated[float, above(0)]
    batch: Annotated[int, at_least(1)]


@torch.inference_mode()
def explain(
    model: Classifier,
    images: Tensor,
    target: Target = None,
    masks: int = 1000,
    cells: int = 7,
    probability: float = 0.5,
    batch: int = 64,
    seed: int = 0,
) -> Outputs:
    """Return logits and heatmaps (N, 1, 2 cells, 2 cells) of images (N, 3, px, px) in 0..1.

    An image's map does not depend on the others: each goes through the model by itself, `batch` masks at a time.

    Args:
        model: any classifier.
        images: to explain.
        target: see `stages.models.outputs.select_score`; the predicted class is that of the uncovered image.
        masks: how many are drawn; the paper has 4000 for VGG16 and 8000 for ResNet-50.
        cells: of a mask along a side; the paper has 7 for 224 px.
        probability: that a cell is seen; the paper has 0.5.
        batch: masked images in one forward pass.
        seed: of the masks.

    Raises:
        InputError: the masks do not fit the images, the target is not one of the classes, or an image or a weight is
            not finite.

    >>> from stages.models.cnn import CamClassifier
    >>> model = CamClassifier("test_efficientnet", 16, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)).eval()
    >>> explain(model, torch.rand(2, 3, 64, 64), masks=4, cells=3).heatmaps.shape
    torch.Size([2, 1, 6, 6])
    """
    px = images.shape[-1]
    refuse_masks(cells, probability, px)
    logits = model(images).logits
    refuse_not_finite(model, images, logits)
    targets = target_classes(logits, target)
    mean: Any = model.mean
    weights = _shares(HALVES * cells, px).to(images.device)
    total = torch.zeros(len(images), HALVES * cells, HALVES * cells, dtype=torch.float64, device=images.device)
    for drawn in draw_masks(masks, cells, probability, px, batch, seed):
        seen = drawn.to(images)
        of_cells = weights @ seen[:, 0].double() @ weights.mT
        for image, of_class, summed in zip(images, targets, total, strict=True):
            masked = mean + (image - mean) * seen
            masked = masked.contiguous(memory_format=torch.channels_last)  # one layout, so one rounding
            score = select_score(model(masked).logits, of_class.repeat(len(seen)))
            summed += torch.einsum("n,nyx->yx", score.double(), of_cells)
    return Outputs(logits, (total / (masks * probability))[:, None].to(images.dtype))


def draw_masks(masks: int, cells: int, probability: float, px: int, batch: int, seed: int) -> Iterator[Tensor]:
    """Yield masks (n, 1, px, px) float32 in 0..1, at most `batch` at a time; the same ones whatever the batch."""
    generator = torch.Generator().manual_seed(derive_seed(seed, "rise"))
    cell_px = math.ceil(px / cells)
    grids = (torch.rand(masks, 1, cells, cells, generator=generator) < probability).float()
    corners = torch.randint(0, cell_px, (masks, 2), generator=generator).tolist()
    side = (cells + 1) * cell_px
    for first in range(0, masks, batch):
        large = F.interpolate(grids[first : first + batch], size=(side, side), mode="bilinear")
        places = corners[first : first + batch]
        yield torch.stack([mask[:, y : y + px, x : x + px] for mask, (y, x) in zip(large, places, strict=True)])


def refuse_masks(cells: int, probability: float, px: int) -> None:
    """Raise an `InputError` where masks of `cells` a side do not fit tiles of px x px, or nothing is ever hidden."""
    if HALVES * cells > px:
        raise InputError(f"params.yaml: explain.rise.cells is {cells}; expected at most half of the tile's {px} pixels")
    if probability >= 1:
        raise InputError(f"params.yaml: explain.rise.probability is {probability:g}; expected less than 1")


def _shares(count: int, px: int) -> Tensor:
    """Return (count, px) float64: how much of a cell of px / count pixels each pixel is; rows add up to 1."""
    edges, pixel = torch.arange(count + 1, dtype=torch.float64)[:, None] * px / count, torch.arange(px)[None]
    inside = torch.minimum(edges[1:], pixel + 1) - torch.maximum(edges[:-1], pixel)
    return inside.clamp(min=0) * count / px


def _refuse(parameters: Any, px: int) -> None:
    refuse_masks(parameters.rise.cells, parameters.rise.probability, px)


def _call(model: Classifier, images: Tensor, target: Target, parameters: Any) -> Outputs:
    return explain(model, images, target, **vars(parameters.rise), seed=parameters.seed)


METHOD = Method(
    families=("cnn", "vit"),
    settings=Rise,
    refuse=_refuse,
    cells=lambda _, parameters: Cells(across=HALVES * parameters.rise.cells),
    timed_at_most=Time(warmup=1, repeats=5),
    call=_call,
)
