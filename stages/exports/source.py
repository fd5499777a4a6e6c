"""What one file is made from, read from params.yaml and from what earlier stages left of the model."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from stages.explainers.explainer import Explainer, learn_from, prepare_explainers
from stages.explainers.methods import Explain
from stages.exports.chosen import chosen_explanation, thresholds_of
from stages.exports.metadata import Cut, Thresholds
from stages.models.trained import Description, load_classifier
from stages.records.files import read_json
from stages.records.hashes import file_sha256
from stages.records.paths import metrics_file
from stages.records.tiles import Tiles
from stages.runtime.errors import InputError
from stages.runtime.params import Params
from stages.scores.scores import Explanation


@dataclass(frozen=True)
class Source:
    """What one file is made from."""

    description: Description
    explainer: Explainer  # of the classifier, under the chosen setting alone, with what it learned of good tiles
    name: str  # of the explanation
    explanation: Explanation
    thresholds: Thresholds
    cut: Cut
    dataset: str
    weights_sha256: str


def read_source(params: Params, model: str, classifier_folder: Path, scores_folder: Path, tiles: Tiles) -> Source:
    """Read what the file of a model is made from; what its method learns of good tiles is learned anew, and the same.

    Args:
        params: params.yaml.
        model: its name.
        classifier_folder, scores_folder: what stages train and score left of it.
        tiles: of the whole data set, opened with its split.

    Raises:
        InputError: a file is missing or broken, or the explanation that validation chose cannot be part of a graph.
    """
    parameters = replace(params.read(Explain), control=False, refine="none")
    classifier, description = load_classifier(classifier_folder)
    name, explanation = chosen_explanation(scores_folder, description, parameters)
    explainers = prepare_explainers(classifier, description, parameters)
    explainer = next((each for each in explainers if each.name == explanation.method), None)
    if explainer is None:
        raise InputError(f"{scores_folder}: was scored with {explanation.method}, which `explain` no longer makes")
    thresholds = thresholds_of(
        description,
        read_json(metrics_file("score", model)).get(model, {}),
        name,
        params.value("score.probability_threshold", float),
        params.value("score.intensity_threshold", float),
    )
    cut = Cut(
        description.px,
        params.value("tile.overlap_px", int),
        params.value("tile.mode", str),
        params.value("tile.border", str),
    )
    (alone,) = learn_from(tiles, [setting_of(explainer, explanation)], description, torch.device("cpu"))
    weights = file_sha256(classifier_folder / "model.safetensors")
    return Source(description, alone, name, explanation, thresholds, cut, params.dataset_name, weights)


def setting_of(explainer: Explainer, explanation: Explanation) -> Explainer:
    """Return the explainer that makes the map of the chosen setting alone.

    Raises:
        InputError: params.yaml no longer has that setting.
    """
    for setting, alone in explainer.one_by_one():
        if (setting["fusion"], setting["discard"]) == (explanation.fusion, explanation.discard):
            return alone
    chosen = f"{explanation.fusion}, discard {explanation.discard:g}"
    raise InputError(f"params.yaml: explain makes no {explainer.name} of {chosen}, which score chose; run them again")
