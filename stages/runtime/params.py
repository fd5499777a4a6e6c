"""params.yaml as frozen dataclasses that reject unknown keys, wrong types and values out of range.

One dataclass per section. `model` holds what applies to all models, `family` what applies to CNNs or ViTs, `models`
one entry per model; `Params.training(name)` merges them: family < the model's own < `model` where that is not null, so
that `-S model.lr=2e-4` sets every model and null leaves every model its own value. `lr` and `batch` may be `tuned`
instead of a number: what stage tune found.
"""

import dataclasses
import re
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml

from stages.runtime.convert import (
    DISTINCT,
    FRACTION,
    above,
    at_least,
    between,
    build,
    convert,
    expect_mapping,
    hints_of,
    reject_unknown,
)
from stages.runtime.data_params import Boards, Dataset, Split, Tile
from stages.runtime.errors import InputError
from stages.runtime.repeats import check_repeats
from stages.runtime.tuning import TUNABLE, TUNED, Tune

Family = Literal["cnn", "vit"]
Weights = Literal["auto", "hub", "package", "file", "none"]
Fusion = Literal["min", "mean", "max"]
Task = Literal["binary", "multiclass"]
Precision = Literal[32, "bf16"]
LossWeight = Literal["none", "balanced"]
Fill = Literal["mean", "blur"]
Explained = Literal["own", "all"]  # the family's own method (cam or rollout), or every method that explain wrote


@dataclass(frozen=True)
class Training:
    """What training one model needs; in `model` and `models.<name>` every value may be null (not given)."""

    lr: Annotated[float, above(0)]
    weight_decay: Annotated[float, at_least(0)]
    batch: Annotated[int, at_least(1)]
    accumulate: Annotated[int, at_least(1)]
    precision: Precision
    epochs: Annotated[int, at_least(1)]
    early_stop_patience: Annotated[int, at_least(1)] | None
    good_per_defective: Annotated[float, above(0)] | None
    loss_weight: LossWeight
    frozen_stages: Annotated[int, at_least(0)]
    ema_decay: Annotated[float, between(0, 1)]
    warmup_epochs: Annotated[int, at_least(0)]
    plateau_factor: Annotated[float, above(0), between(0, 1)]
    plateau_patience: Annotated[int, at_least(0)]
    weights: Weights
    seed: Annotated[int, between(0, 2**63)]


@dataclass(frozen=True)
class Model:
    """One entry of `models`: what it is, and its own training values."""

    family: Family
    arch: str | None = None
    stride: Annotated[int, at_least(1)] | None = None
    stem: str | None = None
    depth: Annotated[int, at_least(1)] | None = None
    weights_path: str | None = None
    of: str | None = None  # the model that this one repeats under another seed
    training: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True)
class Methods:
    """Which explanation methods each family gets; the first is the one that is scored and ranked as the model's."""

    cnn: Annotated[tuple[str, ...], DISTINCT]
    vit: Annotated[tuple[str, ...], DISTINCT]


@dataclass(frozen=True)
class GradCam:
    """How GradCAM maps are made; `stride` null: at the model's own."""

    relu: bool
    stride: Annotated[int, at_least(1)] | None


@dataclass(frozen=True)
class Occlusion:
    """What is covered, and with what; several fills are averaged."""

    window_px: Annotated[int, at_least(1)]
    stride_px: Annotated[int, at_least(1)]
    fills: Annotated[tuple[Literal["mean", "zero", "blur", "value"], ...], DISTINCT]
    value: Annotated[float, FRACTION]
    batch: Annotated[int, at_least(1)]


@dataclass(frozen=True)
class Explain:
    """Which heatmaps are made: the ViT settings are every fusion x every discard ratio."""

    batch: Annotated[int, at_least(1)]
    methods: Methods
    control: bool
    seed: Annotated[int, between(0, 2**63)]
    fusion: Annotated[tuple[Fusion, ...], DISTINCT]
    discard: Annotated[tuple[Annotated[float, between(0, 1)], ...], DISTINCT]
    normalise: Literal["rows", "published"]
    gradcam: GradCam
    occlusion: Occlusion
    gallery_tiles: Annotated[int, at_least(1)]
    align: bool = False


@dataclass(frozen=True)
class Score:
    """The thesis' rule, what stands beside it, and what the gallery shows."""

    intensity_threshold: Annotated[float, between(0, 255)]
    probability_threshold: Annotated[float, between(0, 1)]
    choose_by: str
    tolerance_px: Annotated[float, at_least(0)]
    min_region_px: Annotated[int, at_least(1)]
    seed: Annotated[int, between(0, 2**63)]
    gallery_tiles: Annotated[int, at_least(1)]


@dataclass(frozen=True)
class Perturb:
    """How faithfulness is measured without any mask."""

    tiles: Annotated[int, at_least(2)]
    steps: Annotated[int, at_least(1)]
    fills: Annotated[tuple[Fill, ...], DISTINCT]
    methods: Explained
    batch: Annotated[int, at_least(1)]
    seed: Annotated[int, between(0, 2**63)]


@dataclass(frozen=True)
class Rank:
    """What models are ranked by, and how sure that is."""

    truth: Literal["boxes", "exact"]
    metrics: Annotated[tuple[str, ...], DISTINCT]
    methods: Explained
    cluster: Literal["group", "image"]
    resamples: Annotated[int, at_least(100)]
    seed: Annotated[int, between(0, 2**63)]


@dataclass(frozen=True)
class Time:
    """How latency is measured."""

    warmup: Annotated[int, at_least(0)]
    repeats: Annotated[int, at_least(2)]


@dataclass(frozen=True)
class Runtime:
    """Where stages compute; no stage depends on it except `time`."""

    device: str
    devices: Annotated[int, at_least(1)]
    nodes: Annotated[int, at_least(1)]
    workers: Annotated[int, at_least(0)]
    cluster: str | None = None


@dataclass(frozen=True)
class Params:
    """The whole of params.yaml."""

    task: Task
    dataset: Dataset
    boards: Boards
    tile: Tile
    split: Split
    model: dict[str, Any]
    family: dict[str, dict[str, Any]]
    models: dict[str, Model]
    tune: Tune
    explain: Explain
    score: Score
    perturb: Perturb
    rank: Rank
    time: Time
    runtime: Runtime

    def training(self, name: str, tuned: Mapping[str, Any] | None = None) -> Training:
        """Return the training values of a model: family < the model's own < `model` where not null.

        Args:
            name: a key of `models`.
            tuned: the values of those that `self.tuned(name)` names.

        Raises:
            InputError: a value is missing in all three places.
        """
        merged = self._merged(name) | dict(tuned or {})
        where = f"models.{name} (with family.{self.models[name].family} and model)"
        training: Training = build(Training, merged, where)
        return training

    def tuned(self, name: str) -> list[str]:
        """Return which training values of a model are to be those that stage tune found."""
        merged = self._merged(name)
        return [key for key in TUNABLE if merged.get(key) == TUNED]

    def _merged(self, name: str) -> dict[str, Any]:
        model = self.models[name]
        return self.family[model.family] | _given(model.training) | _given(self.model)


def read_params(path: Path = Path("params.yaml")) -> Params:
    """Read and check a params file.

    Raises:
        InputError: the file is missing or not YAML, a key is unknown or missing, or a value has the wrong type or is
            out of its range.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: missing; run from the repository root") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path}: not readable as YAML ({' '.join(str(error).split())})") from None
    content = dict(expect_mapping(content, ""))
    for section, prepare in (("model", _model_section), ("family", _families), ("models", _models)):
        if section in content:
            content[section] = prepare(content[section])
    params: Params = build(Params, content, "")
    for name in params.models:
        params.training(name, dict.fromkeys(params.tuned(name), 1))  # every value is given somewhere; 1 fits anywhere
    check_repeats(
        params.models, {name: dataclasses.asdict(own) | params._merged(name) for name, own in params.models.items()}
    )
    return params


def _model_section(values: Any) -> dict[str, Any]:
    return _partial_training(values, "model")


def _families(families: Any) -> dict[str, dict[str, Any]]:
    known = typing.get_args(Family)
    expect_mapping(families, "family")
    reject_unknown(families, dict.fromkeys(known), "family")
    for name in known:
        if name not in families:
            raise InputError(f"params.yaml: family.{name} is missing")
    return {name: _given(_partial_training(values, f"family.{name}")) for name, values in families.items()}


def _models(models: Any) -> dict[str, Model]:
    if not expect_mapping(models, "models"):
        raise InputError("params.yaml: models is empty; expected at least one model")
    return {name: _model(name, entry) for name, entry in models.items()}


def _model(name: Any, entry: Any) -> Model:
    where = f"models.{name}"
    if not (isinstance(name, str) and re.fullmatch(r"[A-Za-z0-9][\w-]*", name, re.ASCII)):
        # it becomes the name of files and of a DVC stage; a dot would end the name in `-S models.<name>.lr=...`
        raise InputError(f"params.yaml: {where}: a model's name has letters, digits, '_' and '-' only")
    own = {field.name for field in dataclasses.fields(Model)} - {"training"}
    expect_mapping(entry, where)
    described = {key: value for key, value in entry.items() if key in own}
    training = {key: value for key, value in entry.items() if key not in own}
    model: Model = build(Model, described | {"training": _partial_training(training, where)}, where)
    return model


def _partial_training(values: Any, where: str) -> dict[str, Any]:
    """Check training values of which any may be absent or null."""
    hints = hints_of(Training)
    reject_unknown(expect_mapping(values, where), hints, where)

    def checked(key: str, value: Any) -> Any:
        free = value is None or (key in TUNABLE and value == TUNED)
        return value if free else convert(value, hints[key], f"{where}.{key}")

    return {key: checked(key, value) for key, value in values.items()}


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}
