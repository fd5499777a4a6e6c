"""Batches of tiles explained by every method."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stages.explainers.explainer import Explainer
from stages.explainers.target import defect_target
from stages.models.batches import to_images
from stages.models.outputs import Outputs
from stages.models.trained import Description
from stages.records.paths import model_folder
from stages.records.tiles import Tiles
from stages.runtime.errors import InputError, is_out_of_memory


class ExplainedBatch(NamedTuple):
    """What was made of n tiles."""

    rows: NDArray[np.intp]  # (n,) which tiles they are
    heatmaps: dict[str, NDArray[np.float32]]  # explainer -> (n, settings, rows, columns), finite
    logits: NDArray[np.float32]  # (n,), of several classes (n, classes); finite
    tile_scores: dict[str, NDArray[np.float32]]  # reference -> (n,) how defective each tile is, any scale; finite


def explain_batches(
    explainers: Sequence[Explainer],
    description: Description,
    tiles: Tiles,
    batches: Iterable[NDArray[np.intp]],
    device: torch.device,
) -> Iterator[ExplainedBatch]:
    """Explain batches of tiles, one after the other.

    Args:
        explainers: of one model, as `prepare_explainers` returns them; logits are those of the first.
        description: of that model.
        tiles: where the pixels are.
        batches: (n,) row numbers of `tiles` each.
        device: where the models of the explainers are.

    Raises:
        InputError: memory does not suffice, or a heatmap or a logit is not finite.
    """
    for rows in batches:
        try:
            explained = _explain_batch(explainers, description, rows, to_images(tiles.images(rows), device))
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            lower = " or ".join(f"{name} (now {value})" for name, value in _batch_parameters(explainers).items())
            raise InputError(
                f"params.yaml: {device} ran out of memory explaining {description.model}; lower {lower}"
            ) from None
        yield explained


@torch.no_grad()
def _explain_batch(
    explainers: Sequence[Explainer], description: Description, rows: NDArray[np.intp], images: Tensor
) -> ExplainedBatch:
    target = defect_target(explainers[0].model, description, images)
    heatmaps, logits = {}, {}
    made: dict[str, Outputs] = {}
    for explainer in explainers:
        outputs = made[explainer.name] = explainer.heatmaps(images, target, made)
        heatmaps[explainer.name] = _finite(outputs.heatmaps, explainer, description)
        logits[explainer.name] = _finite(outputs.logits, explainer, description)
    tile_scores = {explainer.name: logits[explainer.name] for explainer in explainers if explainer.reference}
    return ExplainedBatch(rows, heatmaps, logits[explainers[0].name], tile_scores)


def _finite(values: Tensor | None, explainer: Explainer, description: Description) -> NDArray[np.float32]:
    assert values is not None
    found: NDArray[np.float32] = values.float().cpu().numpy()
    if not np.isfinite(found).all():
        folder = model_folder(description.model)
        raise InputError(f"{folder}: {explainer.name} maps or logits are not finite; train it again")
    return found


def _batch_parameters(explainers: Sequence[Explainer]) -> dict[str, int]:
    """Return the parameters that say how many images are computed at once, and their values."""
    parameters = explainers[0].parameters
    found = {"explain.batch": parameters.batch}
    for explainer in explainers:
        settings: Any = getattr(parameters, explainer.name, None)
        if hasattr(settings, "batch"):
            found[f"explain.{explainer.name}.batch"] = settings.batch
    return found
