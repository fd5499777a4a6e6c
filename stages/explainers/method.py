"""What an explanation method is: the record that the file of each method in this folder fills in, as `METHOD`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from stages.explainers.cells import Cells, feature_cells
from stages.explainers.settings import Time
from stages.models.outputs import Outputs
from stages.models.weights import Classifier


@dataclass(frozen=True)
class Method:
    """An explanation method; `parameters` is always the section `explain` of params.yaml, a `methods.Explain`."""

    families: tuple[str, ...]  # whose classifiers it explains: "cnn", "vit"
    call: Callable[..., Outputs]  # (model, images, target, parameters) -> logits, heatmaps (N, maps, rows, columns)
    every_setting: bool = False  # one call makes a map for every fusion x discard of the section; else it makes one map
    settings: type | None = None  # dataclass of what stands in explain.<name of the method>; None: nothing does
    refuse: Callable[[Any, int], None] | None = None  # (parameters, px): InputError where they do not fit tiles of px
    shares: bool = False  # the cells of a map share a whole, which smaller cells divide; else each stands for itself
    cells: Callable[[Classifier, Any], Cells] = feature_cells  # (model, parameters) -> what the cells of its maps are
    timed_at_most: Time | None = None  # for methods that take a second or more
