"""The explainers of one model: every method that params.yaml names for its family, ready to be called."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from stages.explainers.grids import Grid
from stages.explainers.guided import blur, refine, refuse_guided
from stages.explainers.method import Learned, MapSetting, Method
from stages.explainers.methods import chosen_methods
from stages.explainers.settings import ExplainCommon
from stages.explainers.views import Views, prepare_views
from stages.models.outputs import Outputs, Target
from stages.models.trained import Description, build_described, channels_last
from stages.models.weights import Classifier
from stages.records.files import new_file
from stages.records.tiles import Tiles
from stages.runtime.seeds import derive_seed

NOTHING: Mapping[str, Outputs] = MappingProxyType({})


@dataclass(frozen=True)
class Explainer:
    """One method on one model, and what it explains of a tile; or the refinement of such a one's maps."""

    name: str  # the method's, of the refinement with `_guided` behind it, of a control with `_randomised` or `_blur`
    method: Method
    parameters: Any  # `methods.Explain`
    views: Views
    refines: str | None = None  # name of the explainer whose maps are refined
    by: Callable[..., Tensor] = refine  # or `blur`: what makes maps of them
    control: bool = False  # it is there to be beaten: it knows no defect, or no edge of the tile
    reference: bool = False  # no explanation of the model, but what another kind of detector says of the same tiles
    learned: Learned | None = None  # see `Method.learn`

    @property
    def model(self) -> Classifier:
        """The classifier that is explained."""
        return self.views.model

    @property
    def cells(self) -> Grid:
        """Where the cells of its maps lie, in a tile of `cells.px`."""
        return self.views.grid if self.refines is None else Grid(self.views.px, self.parameters.guided.cell_px)

    @property
    def cell_px(self) -> float:
        """Side of a cell in pixels of the tile."""
        return self.cells.cell_px * (self.views.px / self.cells.px)

    @property
    def offset_px(self) -> float:
        """How far right of and below the tile's corner the first cell begins, in pixels of the tile."""
        return self.cells.left_px * (self.views.px / self.cells.px)

    @property
    def settings(self) -> list[dict[str, Any]]:
        """Return what each map of one call is: name, fusion (the name where nothing is fused) and discard ratio."""
        return [self._named(setting) for setting in self._settings()]

    @property
    def record(self) -> dict[str, object]:
        """Return what `stages.heatmaps.maps` wants to know of its maps."""
        record = {"cell_px": self.cell_px, "offset_px": self.offset_px, "ranges": True, "settings": self.settings}
        record |= {"varies": self.method.varies} if self.method.varies != "discard" else {}
        record |= {"control": True} if self.control else {}
        return record | ({"reference": True} if self.reference else {})

    def one_by_one(self) -> Iterator[tuple[dict[str, Any], "Explainer"]]:
        """Yield every setting, with the explainer that makes its map alone."""
        for setting in self._settings():
            one_setting = self.method.one_setting
            changed = one_setting(self.parameters, setting) if one_setting else self.parameters
            yield self._named(setting), replace(self, parameters=changed)

    def heatmaps(self, images: Tensor, target: Target, made: Mapping[str, Outputs] = NOTHING) -> Outputs:
        """Return logits and heatmaps of images (N, 3, px, px) in 0..1.

        Args:
            target: see `stages.models.outputs.select_score`.
            made: name of an explainer -> what it made of these images: a refinement starts from it where it is there.

        Raises:
            InputError: the maps are not those of a tile of px x px.
        """
        learned = () if self.learned is None else (self.learned,)

        def explain(model: Classifier, pictures: Tensor, classes: Target) -> Outputs:
            return self.method.call(model, pictures, classes, self.parameters, *learned)

        if self.refines is None:
            return self.views.explain(explain, images, target, self.name)
        outputs = made.get(self.refines) or replace(self, refines=None).heatmaps(images, target)
        assert outputs.heatmaps is not None
        return Outputs(outputs.logits, self.by(outputs.heatmaps, self.views.grid, images, self.parameters.guided))

    def to(self, device: torch.device) -> None:
        """Move the classifiers of all views."""
        for model in (self.model, *(scale.model for scale in self.views.scales)):
            model.to(device)

    def _settings(self) -> list[MapSetting]:
        if self.method.settings_of is None:
            return [MapSetting(self.name, None, 0.0)]
        return self.method.settings_of(self.model, self.parameters)

    def _named(self, setting: MapSetting) -> dict[str, Any]:
        return asdict(setting) | {"fusion": setting.fusion or self.name}


def prepare_explainers(model: Classifier, description: Description, parameters: ExplainCommon) -> list[Explainer]:
    """Return an explainer for each method that is configured for the model's family, and the controls last.

    One control is the first method on the same architecture with freshly drawn weights, for the first discard ratio
    only (Adebayo et al. 2018, "Sanity checks for saliency maps"): a map that looks the same shows the architecture, not
    what was learned. Others come with a method (`Method.controls`). All are averaged as the method is. Where maps are
    refined, those of the first method and of its control are, in every setting, and stand beside them: an edge of the
    tile that the filter brings into a map it brings into the control's as well. One more control has the first method's
    maps smoothed as the filter smooths, without the tile: what a refined map is worth beyond that, the edges brought.

    Raises:
        InputError: a method is unknown or does not fit the model, or its cells cannot be placed as asked for, or the
            model cannot take a tile at one of the scales.
    """
    refuse_guided(parameters, description.px)
    methods = chosen_methods(parameters, description.model, description.architecture)
    explainers = [prepare(name, method, model, description, parameters) for name, method in methods.items()]
    first = explainers[0]
    found = [*explainers, *_refined(first, f"{first.name}_guided")]
    if parameters.control:
        controls = [(name, own) for method in methods.values() for name, own in method.controls.items()]
        few = replace(parameters, discard=parameters.discard[:1])
        random_model = _with_random_weights(description, parameters.seed)
        control = prepare(f"{first.name}_randomised", first.method, random_model, description, few)
        found += [control, *_refined(control, f"{first.name}_guided_randomised")]
        found += [replace(blurred, by=blur, control=True) for blurred in _refined(first, f"{first.name}_blur")]
        found += [
            replace(prepare(name, method, model, description, parameters), control=True) for name, method in controls
        ]
    return found


def learn_from(
    tiles: Tiles, explainers: Sequence[Explainer], description: Description, device: torch.device
) -> list[Explainer]:
    """Return explainers that can be called: with what their methods learn of good tiles, where they learn at all.

    Args:
        tiles: of the whole data set, opened with its split.
        explainers: of one model, as `prepare_explainers` returns them; what is the same is learned once.
        description: of the model.
        device: where the models of the explainers are.

    Raises:
        InputError: there is nothing to learn from.
    """
    known: dict[tuple[Any, int], Learned] = {}
    ready = []
    for explainer in explainers:
        learn, model = explainer.method.learn, explainer.model
        if learn is not None and (learn, id(model)) not in known:
            known[learn, id(model)] = learn(model, description, tiles, explainer.parameters, device)
        ready.append(replace(explainer, learned=known.get((learn, id(model)))))
    return ready


def save_learned(folder: Path, explainers: Sequence[Explainer]) -> None:
    """Write what each method learned to `<method>.safetensors`; what a control shares with its method only there."""
    for explainer in explainers:
        if explainer.learned is not None and not explainer.control and explainer.refines is None:
            tensors = {name: tensor.cpu().contiguous() for name, tensor in explainer.learned.tensors().items()}
            with new_file(folder / f"{explainer.name}.safetensors") as temporary:
                temporary.write_bytes(save(tensors))  # as bytes: safetensors hides the system's error


def prepare(
    name: str, method: Method, model: Classifier, description: Description, parameters: ExplainCommon
) -> Explainer:
    """Return the explainer of one method on a model."""
    views = prepare_views(model, description, parameters, method.cells, method.shares)
    return Explainer(name, method, parameters, views)


def _refined(explainer: Explainer, name: str) -> list[Explainer]:
    """Return the refinement of an explainer's maps, none where `explain.refine` asks for none."""
    return [] if explainer.parameters.refine == "none" else [replace(explainer, name=name, refines=explainer.name)]


def _with_random_weights(description: Description, seed: int) -> Classifier:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "control", description.model))
        return channels_last(build_described(description)).eval()
