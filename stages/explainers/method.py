"""What an explanation method is: the record that the file of each method in this folder fills in, as `METHOD`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import Tensor

from stages.explainers.cells import Cells, feature_cells
from stages.explainers.settings import Time
from stages.models.outputs import Outputs
from stages.models.registry import Architecture
from stages.models.weights import Classifier


class Learned(Protocol):
    """What a method knows of the data set's tiles."""

    def tensors(self) -> dict[str, Tensor]:
        """Return it by name, to be saved beside the maps."""


@dataclass(frozen=True)
class MapSetting:
    """One of the maps that a call makes."""

    name: str  # e.g. mean_0.9
    fusion: str | None  # how a ViT's heads are fused; None: nothing is
    discard: float  # what varies within a fusion: of rollout the discard ratio, else what `Method.varies` says; or 0


@dataclass(frozen=True)
class Method:
    """An explanation method; `parameters` is always the section `explain` of params.yaml, a `methods.Explain`."""

    families: tuple[str, ...]  # whose classifiers it explains: "cnn", "vit"
    call: Callable[..., Outputs]  # (model, images, target, parameters) -> logits, heatmaps (N, maps, rows, columns)
    why_not: Callable[[Architecture], str | None] = lambda _: None  # why not one of these families; None: it does
    settings_of: Callable[[Classifier, Any], list[MapSetting]] | None = None  # (model, parameters) -> what each map of
    # a call is; None: it makes one
    one_setting: Callable[[Any, MapSetting], Any] | None = None  # (parameters, one of them) -> those of this map alone
    varies: str = "discard"  # what distinguishes the maps of one fusion, in one word
    settings: type | None = None  # dataclass of what stands in explain.<name of the method>; None: nothing does
    refuse: Callable[[Any, int], None] | None = None  # (parameters, px): InputError where they do not fit tiles of px
    shares: bool = False  # the cells of a map share a whole, which smaller cells divide; else each stands for itself
    cells: Callable[[Classifier, Any], Cells] = feature_cells  # (model, parameters) -> what the cells of its maps are
    timed_at_most: Time | None = None  # for methods that take a second or more
    learn: Callable[..., Learned] | None = None  # (model, description, tiles, parameters, device) -> what `call` takes
    # as fifth argument: for methods that look at good tiles before they explain any; None: `call` takes four
    controls: Mapping[str, "Method"] = field(default_factory=dict)  # that are made with it where explain.control is on
