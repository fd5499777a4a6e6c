"""The explainers of one model: every method that params.yaml names for its family, ready to be called."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from stages.explainers.cells import measure_offset
from stages.explainers.method import Method
from stages.explainers.methods import chosen_methods
from stages.explainers.settings import ExplainCommon
from stages.models.geometry import refuse_uncovered
from stages.models.outputs import Outputs, Target
from stages.models.rollout import settings_grid
from stages.models.trained import Description, build_described, channels_last
from stages.models.weights import Classifier
from stages.runtime.seeds import derive_seed


@dataclass(frozen=True)
class Explainer:
    """One method on one model, and where the cells of its maps lie."""

    name: str  # the method's, of the control with `_randomised` behind it
    method: Method
    model: Classifier
    parameters: Any  # `methods.Explain`
    cell_px: float
    offset_px: float

    @property
    def settings(self) -> list[dict[str, Any]]:
        """Return what each map of one call is: name, fusion (the name where nothing is fused) and discard ratio."""
        if not self.method.every_setting:
            return [{"name": self.name, "fusion": self.name, "discard": 0.0}]
        grid = settings_grid(self.parameters.fusion, self.parameters.discard)
        return [{"name": setting.name, **asdict(setting)} for setting in grid]

    @property
    def record(self) -> dict[str, object]:
        """Return what `stages.heatmaps.maps` wants to know of its maps."""
        geometry = {"cell_px": self.cell_px, "offset_px": self.offset_px}
        return {**geometry, "ranges": True, "settings": self.settings}

    def one_by_one(self) -> Iterator[tuple[dict[str, Any], "Explainer"]]:
        """Yield every setting, with the explainer that makes its map alone."""
        for setting in self.settings:
            alone = {"fusion": (setting["fusion"],), "discard": (setting["discard"],)}
            changed = replace(self.parameters, **alone) if self.method.every_setting else self.parameters
            yield setting, replace(self, parameters=changed)

    def heatmaps(self, images: Tensor, target: Target) -> Outputs:
        """Return logits and heatmaps of images (N, 3, px, px) in 0..1.

        Raises:
            InputError: the maps are not those of a tile of px x px.
        """
        outputs = self.method.call(self.model, images, target, self.parameters)
        assert outputs.heatmaps is not None
        refuse_uncovered(outputs.heatmaps.shape[2:], self.cell_px, images.shape[-1], self.name)
        return outputs


def prepare_explainers(model: Classifier, description: Description, parameters: ExplainCommon) -> list[Explainer]:
    """Return an explainer for each method that is configured for the model's family, and the control last.

    The control is the first method on the same architecture with freshly drawn weights, for the first discard ratio
    only (Adebayo et al. 2018, "Sanity checks for saliency maps"): a map that looks the same shows the architecture, not
    what was learned.

    Raises:
        InputError: a method is unknown or does not fit the model, or its cells cannot be placed as asked for.
    """
    methods = chosen_methods(parameters, description.model, description.architecture)
    explainers = [_prepare(name, method, model, description, parameters) for name, method in methods.items()]
    if parameters.control:
        first = explainers[0]
        few = replace(parameters, discard=parameters.discard[:1])
        random_model = _with_random_weights(description, parameters.seed)
        explainers.append(_prepare(f"{first.name}_randomised", first.method, random_model, description, few))
    return explainers


def _prepare(
    name: str, method: Method, model: Classifier, description: Description, parameters: ExplainCommon
) -> Explainer:
    cells = method.cells(model, parameters)
    offset = measure_offset(cells, description) if parameters.align else 0.0
    return Explainer(name, method, model, parameters, cells.width_px, offset)


def _with_random_weights(description: Description, seed: int) -> Classifier:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "control", description.model))
        return channels_last(build_described(description)).eval()
