"""A trained model on disk: it comes back bit for bit, with all that its architecture is, or is refused."""

import json
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from stages.explainers.explainer import prepare_explainers
from stages.explainers.methods import Explain
from stages.models import trained as trained_module
from stages.models.registry import Architecture
from stages.models.trained import Description, load_classifier, save_classifier
from stages.models.weights import SCRATCH, build_classifier
from stages.runtime.errors import InputError
from stages.runtime.params import read_params

CNN = Architecture("cnn", "test_efficientnet", 16)
VIT = Architecture("vit", "test_vit", None)
HYBRID = Architecture("vit", "test_vit", 8, "test_efficientnet", 2)


def description_of(architecture: Architecture, **changes: Any) -> Description:
    whole = Description("net", architecture, 64, "binary", ("good", "defective"), SCRATCH, 1.25, 1e-7)
    return replace(whole, **changes)


@pytest.mark.parametrize("architecture", [CNN, VIT, HYBRID], ids=["cnn", "vit", "hybrid"])
def test_a_saved_model_comes_back(tmp_path: Path, architecture: Architecture) -> None:
    model = build_classifier(architecture, 64).eval()
    save_classifier(tmp_path / "m", model, description_of(architecture))
    again, description = load_classifier(tmp_path / "m")
    assert description == description_of(architecture)  # every digit of the threshold, too
    for key, tensor in model.state_dict().items():
        assert torch.equal(again.state_dict()[key], tensor), key
    images = torch.rand(2, 3, 64, 64)
    torch.testing.assert_close(again(images).logits, model(images).logits, rtol=1e-4, atol=1e-5)


def test_undefined_is_null(tmp_path: Path) -> None:
    description = description_of(CNN, temperature=float("nan"), threshold=None)
    save_classifier(tmp_path / "m", build_classifier(CNN, 64), description)
    assert load_classifier(tmp_path / "m")[1] == replace(description, temperature=None)


def write(folder: Path, change: dict[str, Any], inside: str | None = None, without: str | None = None) -> None:
    save_classifier(folder, build_classifier(CNN, 64), description_of(CNN))
    content = json.loads((folder / "model.json").read_text())
    place = content[inside] if inside else content
    place |= change
    if without:
        del place[without]
    (folder / "model.json").write_text(json.dumps(content))


@pytest.mark.parametrize("inside", [None, "architecture", "origin"])
def test_an_unknown_or_missing_key_is_refused(tmp_path: Path, inside: str | None) -> None:
    kinds: dict[str | None, Any] = {None: Description, "architecture": Architecture, "origin": type(SCRATCH)}
    for field in fields(kinds[inside]):
        write(tmp_path / "m", {}, inside, without=field.name)
        key = rf"{inside}\.{field.name}" if inside else field.name
        with pytest.raises(InputError, match=rf"/m/model\.json: {key} is missing; train again$"):
            load_classifier(tmp_path / "m")
    write(tmp_path / "m", {"pool": "max"}, inside)
    with pytest.raises(InputError, match=r"/m/model\.json: .*pool is not known; .*; train again$"):
        load_classifier(tmp_path / "m")


@pytest.mark.parametrize(
    ("inside", "change", "message"),
    [
        (None, {"px": "64"}, "px is '64'; expected a whole number"),
        (None, {"task": "regression"}, "task is 'regression'"),
        (None, {"classes": []}, r"classes is \[\]"),
        (None, {"architecture": None}, "architecture is None; expected a mapping"),
        ("architecture", {"family": "gan"}, r"architecture\.family is 'gan'"),
    ],
)
def test_a_wrong_value_is_refused(tmp_path: Path, inside: str | None, change: dict[str, Any], message: str) -> None:
    write(tmp_path / "m", change, inside)
    with pytest.raises(InputError, match=rf"/m/model\.json: {message}.*; train again$"):
        load_classifier(tmp_path / "m")


def test_files_that_are_missing_or_of_another_model(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"model.json: missing; run the stage"):
        load_classifier(tmp_path / "absent")
    save_classifier(tmp_path / "m", build_classifier(CNN, 64), description_of(replace(CNN, stride=8)))
    with pytest.raises(InputError, match=r"model.safetensors: does not load .*; train again"):
        load_classifier(tmp_path / "m")


def test_every_field_of_an_architecture_reaches_the_model_and_its_control(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that a later version adds: whoever rebuilds a model gets the record as a whole."""
    save_classifier(tmp_path / "m", build_classifier(HYBRID, 64), description_of(HYBRID))
    built: list[Architecture] = []

    def build(architecture: Architecture, px: int, neurons: int) -> Any:
        built.append(architecture)
        return build_classifier(architecture, px, neurons=neurons)

    monkeypatch.setattr(trained_module, "build_classifier", build)
    model, description = load_classifier(tmp_path / "m")
    prepare_explainers(model, description, replace(read_params().read(Explain), control=True))
    assert built == [HYBRID, HYBRID] and asdict(description)["architecture"] == asdict(HYBRID)
