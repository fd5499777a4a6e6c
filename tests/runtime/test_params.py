"""params.yaml: what is accepted, what is refused, and that every refusal names its parameter."""

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from stages.check import refuse_wrong
from stages.runtime.errors import InputError
from stages.runtime.params import Params, read_params
from stages.scoring.settings import Score
from stages.tiling.settings import Tile
from stages.training.settings import read_training, tuned_keys
from stages.training.tuning import Tune

REPOSITORY = Path(__file__).parents[2]
DEFAULTS: dict[str, Any] = yaml.safe_load((REPOSITORY / "params.yaml").read_text(encoding="utf-8"))
CNN = next(name for name, entry in DEFAULTS["models"].items() if entry["family"] == "cnn")
VIT = next(name for name, entry in DEFAULTS["models"].items() if entry["family"] == "vit")
ABSENT = object()


def read_with(folder: Path, *changes: tuple[str, Any]) -> Params:
    """Read the repository's params with some values changed, added or (ABSENT) removed."""
    content = copy.deepcopy(DEFAULTS)
    for name, value in changes:
        *sections, key = name.split(".")
        target = content
        for section in sections:
            target = target[section]
        if value is ABSENT:
            del target[key]
        else:
            target[key] = value
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    params = read_params(path)
    refuse_wrong(params)
    return params


def test_the_repositorys_own_params_are_valid_and_frozen() -> None:
    params = read_params(REPOSITORY / "params.yaml")
    with pytest.raises(AttributeError):
        params.read(Tile).px = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "value"),
    [("2e-05", 2e-5), ("2.0e-05", 2e-5), ("1", 1.0), ("1e-3", 1e-3), ("'0.5'", 0.5)],
)
def test_a_number_in_any_notation_becomes_a_float(tmp_path: Path, text: str, value: float) -> None:
    """`-S model.lr=2e-5` leaves `2e-05` in the file, which PyYAML reads as text."""
    content = (REPOSITORY / "params.yaml").read_text(encoding="utf-8")
    path = tmp_path / "params.yaml"
    path.write_text(re.sub(r"^(model:.*\n  lr:) null", rf"\1 {text}", content, flags=re.M), encoding="utf-8")
    for name in (CNN, VIT):
        lr = read_training(read_params(path), name).lr
        assert type(lr) is float
        assert lr == value


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        # unknown keys, in every kind of section
        ("tiles", {}, "tiles is not known"),
        ("tile.size", 224, "tile.size is not known; known here: px, overlap_px, mode"),
        ("model.learning_rate", 0.1, "model.learning_rate is not known"),
        ("family.mlp", {}, "family.mlp is not known; known here: cnn, vit"),
        ("family.cnn.lrr", 0.1, "family.cnn.lrr is not known"),
        (f"models.{CNN}.lrr", 0.1, f"models.{CNN}.lrr is not known"),
        # missing
        ("tile", ABSENT, "tile is missing"),
        ("model", ABSENT, "model is missing"),
        ("tile.px", ABSENT, "tile.px is missing"),
        ("family.vit", ABSENT, "family.vit is missing"),
        ("family.cnn.lr", ABSENT, f"models.{CNN} (with family.cnn and model).lr is missing"),
        (f"models.{CNN}.family", ABSENT, f"models.{CNN}.family is missing"),
        # wrong types
        ("tile", 3, "tile is 3; expected a mapping"),
        ("model", None, "model is None; expected a mapping"),
        ("models", ["a"], "models is ['a']; expected a mapping"),
        (f"models.{CNN}", "cnn", f"models.{CNN} is 'cnn'; expected a mapping"),
        ("tile.px", 224.0, "tile.px is 224.0; expected a whole number"),
        ("tile.px", "224", "tile.px is '224'; expected a whole number"),
        ("tile.px", True, "tile.px is True; expected a whole number"),
        ("tile.px", None, "tile.px is None; expected a whole number"),
        ("tile.defect_threshold", True, "tile.defect_threshold is True; expected a number"),
        ("tile.defect_threshold", "much", "tile.defect_threshold is 'much'; expected a number"),
        ("tile.defect_threshold", float("nan"), "tile.defect_threshold is nan; expected a number"),
        ("tile.defect_threshold", 10**400, "expected a number"),
        ("model.lr", "fast", "model.lr is 'fast'; expected a number"),
        ("dataset.name", 7, "dataset.name is 7; expected text"),
        ("tile.mode", "cut", "tile.mode is 'cut'; use one of window, resize"),
        ("tile.mode", ["window"], "tile.mode is ['window']; use one of window, resize"),
        ("model.weights", "internet", "model.weights is 'internet'; use one of auto, hub, package, file, none"),
        (f"models.{CNN}.family", "mlp", f"models.{CNN}.family is 'mlp'; use one of cnn, vit"),
        ("explain.discard", 0.5, "explain.discard is 0.5; expected a list"),
        ("explain.discard", [], "explain.discard is []; expected a list of at least one value"),
        ("explain.discard", [0.0, "all"], "explain.discard[1] is 'all'; expected a number"),
        ("explain.fusion", ["mean", "sum"], "explain.fusion[1] is 'sum'; use one of min, mean, max"),
        # out of range
        ("boards.designs", 0, "boards.designs is 0; expected 1 or more"),
        ("boards.width_px", 100, "boards.width_px is 100; expected 448 or more"),
        ("boards.max_defects", 2, "boards.max_defects is 2; expected min_defects or more"),
        ("tile.px", 4, "tile.px is 4; expected 8 or more"),
        ("tile.overlap_px", 224, "tile.overlap_px is 224; expected less than tile.px"),
        ("tile.defect_threshold", 1.5, "tile.defect_threshold is 1.5; expected a fraction from 0 to 1"),
        ("split.test", 0.0, "split.test is 0.0; expected more than 0"),
        ("split.test", 0.3, "split.train + split.val + split.test is 1.1; expected 1"),
        ("model.lr", -0.1, "model.lr is -0.1; expected more than 0"),
        ("model.lr", "-1e-5", "model.lr is '-1e-5'; expected more than 0"),
        ("family.vit.batch", 0, "family.vit.batch is 0; expected 1 or more"),
        (f"models.{VIT}.epochs", 0, f"models.{VIT}.epochs is 0; expected 1 or more"),
        ("family.cnn.plateau_factor", 1.0, "family.cnn.plateau_factor is 1.0; expected 0 or more and less than 1"),
        ("explain.discard", [0.0, 1.0], "explain.discard[1] is 1.0; expected 0 or more and less than 1"),
        ("explain.discard", [0.5, 0.5], "explain.discard is [0.5, 0.5]; expected no value twice"),
        ("score.probability_threshold", 1, "score.probability_threshold is 1; expected 0 or more and less than 1"),
        ("score.tolerance_px", -1, "score.tolerance_px is -1; expected 0 or more"),
        ("perturb.tiles", 1, "perturb.tiles is 1; expected 2 or more"),
        ("perturb.fills", ["mean", "black"], "perturb.fills[1] is 'black'; use one of mean, blur"),
        ("perturb.methods", "none", "perturb.methods is 'none'; use one of own, all"),
        ("rank.cluster", "tile", "rank.cluster is 'tile'; use one of group, image"),
        ("rank.resamples", 10, "rank.resamples is 10; expected 100 or more"),
        (f"models.{CNN}.of", "nobody", f"models.{CNN}.of is 'nobody'; expected a model that repeats no other: "),
        (f"models.{CNN}.of", VIT, f"models.{CNN}.of is '{VIT}', which is of another family"),
        ("tune.trials", -1, "tune.trials is -1; expected 0 or more"),
        ("tune.lr.cnn", [1e-2, 1e-4], "tune.lr.cnn is [0.01, 0.0001]; expected [lowest, highest]"),
        ("tune.lr.vit", [1e-4], "tune.lr.vit is [0.0001]; expected [lowest, highest]"),
        ("tune.lr.vit", [0.0, 1e-4], "tune.lr.vit[0] is 0.0; expected more than 0"),
        ("tune.batch", [], "tune.batch is []; expected a list of at least one value"),
        ("tune.batch", [32, 32], "tune.batch is [32, 32]; expected no value twice"),
        ("tune.objective", "loss", "tune.objective is 'loss'; use one of val_accuracy, val_average_precision"),
        ("tune.epochs", 0, "tune.epochs is 0; expected 1 or more"),
        ("tune.prune", 1, "tune.prune is 1; expected true or false"),
        ("tune.storage", "sqlite:///a.db", "tune.storage is not the address of a PostgreSQL database"),
        ("tune.storage", "postgresql+psycopg://me@host", "tune.storage is not the address of a PostgreSQL database"),
        ("model.weight_decay", "tuned", "model.weight_decay is 'tuned'; expected a number"),
        ("time.repeats", 1, "time.repeats is 1; expected 2 or more"),
        ("runtime.workers", -1, "runtime.workers is -1; expected 0 or more"),
        ("runtime.cluster", 8786, "runtime.cluster is 8786; expected text"),
        ("models", {}, "models is empty; expected at least one model"),
    ],
)
def test_a_wrong_value_ends_in_one_line_that_names_it(tmp_path: Path, name: str, value: Any, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read_with(tmp_path, (name, value))
    assert message in str(caught.value)
    assert str(caught.value).startswith("params.yaml: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a.b", "a/b", "..", "", "-x", "a b", "naïve", 18])
def test_a_models_name_must_do_as_a_file_name_and_as_a_dvc_key(tmp_path: Path, name: Any) -> None:
    with pytest.raises(InputError, match="a model's name has letters, digits, '_' and '-' only"):
        read_with(tmp_path, ("models", {name: {"family": "cnn"}}))


def test_null_in_model_leaves_each_model_its_own_and_then_its_familys_value(tmp_path: Path) -> None:
    params = read_with(tmp_path, ("model.lr", None), ("family.cnn.lr", 0.1), ("family.vit.lr", 0.2))
    assert (read_training(params, CNN).lr, read_training(params, VIT).lr) == (0.1, 0.2)

    params = read_with(tmp_path, (f"models.{VIT}.lr", 0.3), ("family.vit.lr", 0.2), ("family.cnn.lr", 0.1))
    assert (read_training(params, CNN).lr, read_training(params, VIT).lr) == (0.1, 0.3)


def test_model_sets_all_models_over_their_own_values(tmp_path: Path) -> None:
    params = read_with(tmp_path, ("model.lr", 0.4), (f"models.{VIT}.lr", 0.3))
    assert (read_training(params, CNN).lr, read_training(params, VIT).lr) == (0.4, 0.4)


@pytest.mark.parametrize("place", ["model", "family.cnn", f"models.{CNN}"])
def test_tuned_stands_for_a_value_wherever_one_can_stand(tmp_path: Path, place: str) -> None:
    params = read_with(tmp_path, (f"{place}.lr", "tuned"))
    assert tuned_keys(params, CNN) == ["lr"] and tuned_keys(params, VIT) == (["lr"] if place == "model" else [])
    assert read_training(params, CNN, {"lr": "2e-05"}).lr == 2e-5
    with pytest.raises(InputError, match=r"lr is 'tuned'; expected a number"):
        read_training(params, CNN)
    both = read_with(tmp_path, (f"{place}.lr", "tuned"), (f"{place}.batch", "tuned"))
    assert tuned_keys(both, CNN) == ["lr", "batch"]
    if place != "model":
        over = read_with(tmp_path, (f"{place}.lr", "tuned"), ("model.lr", 0.1))
        assert tuned_keys(over, CNN) == []


def test_a_database_is_named_by_its_address_and_never_printed(tmp_path: Path) -> None:
    for address in ("postgresql+psycopg://me@host:5432/search", "postgresql:///search?host=/run/postgresql"):
        assert read_with(tmp_path, ("tune.storage", address)).read(Tune).storage == address
    with pytest.raises(InputError) as caught:
        read_with(tmp_path, ("tune.storage", "postgres://me:secret@host/search"))
    assert "secret" not in str(caught.value)


def test_repeats_under_other_seeds_belong_to_their_model(tmp_path: Path) -> None:
    entry = DEFAULTS["models"][CNN]
    params = read_with(tmp_path, ("models.again", entry | {"seed": 1, "of": CNN}))
    assert params.seeds[CNN] == [CNN, "again"]
    assert "again" not in params.seeds
    assert (read_training(params, CNN).seed, read_training(params, "again").seed) == (0, 1)
    with pytest.raises(InputError, match=r"models.third.of is 'again'; expected a model that repeats no other"):
        read_with(tmp_path, ("models.again", entry | {"of": CNN}), ("models.third", entry | {"of": "again"}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 1, "lr": 0.1}, "lr is 0.1, but 0.0005 for {cnn}, which it repeats (of); only the seed may differ"),
        ({"seed": 1, "stride": 8}, "stride is 8, but None for {cnn}"),
        ({"seed": 0}, "models.again has seed 0, as {cnn} has; repeats need seeds of their own (and model.seed null)"),
        ({}, "models.again has seed 0, as {cnn} has"),
    ],
)
def test_a_repeat_differs_in_nothing_but_the_seed(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    entry = DEFAULTS["models"][CNN] | {"of": CNN} | changes
    with pytest.raises(InputError) as caught:
        read_with(tmp_path, ("models.again", entry))
    assert message.format(cnn=CNN) in str(caught.value)
    one_seed_for_all = ("models.again", DEFAULTS["models"][CNN] | {"of": CNN, "seed": 1}), ("model.seed", 5)
    with pytest.raises(InputError, match=r"models.again has seed 5"):
        read_with(tmp_path, *one_seed_for_all)


def test_a_whole_number_will_do_for_a_number(tmp_path: Path) -> None:
    params = read_with(tmp_path, ("score.intensity_threshold", 100), ("model.lr", 1))
    assert type(params.read(Score).intensity_threshold) is float
    assert type(read_training(params, CNN).lr) is float


def test_all_tiles_are_used_where_the_ratio_is_given_nowhere(tmp_path: Path) -> None:
    params = read_with(tmp_path, ("family.cnn.good_per_defective", ABSENT))
    assert read_training(params, CNN).good_per_defective is None
    assert read_training(params, VIT).good_per_defective is not None


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    with pytest.raises(InputError, match=r"params\.yaml: missing; run from the repository root"):
        read_params(path)
    path.write_text("a: [1,\nb: 2", encoding="utf-8")
    with pytest.raises(InputError, match=r"params\.yaml: not readable as YAML"):
        read_params(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"params\.yaml: not readable as YAML"):
        read_params(path)
    path.write_text("", encoding="utf-8")
    with pytest.raises(InputError, match="the file is None; expected a mapping"):
        read_params(path)
