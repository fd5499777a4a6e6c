"""A rehearsal does less, and nothing in another way."""

from typing import Any

import pytest

from stages.runtime.params import Params, read_params
from stages.studies.overrides import known_studies, laid_over, read_study
from stages.studies.smaller import first_images, recipe_of, smaller, train_tiles_wanted
from tests.dependencies import REPOSITORY

PARAMS = read_params(REPOSITORY / "params.yaml")
LESS = ("boards.designs", "draw.", "perturb.", "rank.resamples", "time.", "tune.", "model.", "models.")


def flat(content: Any, name: str = "") -> dict[str, Any]:
    if not isinstance(content, dict):
        return {name: content}
    return {key: value for part in content for key, value in flat(content[part], f"{name}.{part}".lstrip(".")).items()}


@pytest.mark.parametrize("name", known_studies())
def test_only_amounts_change(name: str) -> None:
    study = Params(laid_over(PARAMS.content, read_study(name, PARAMS)))
    before, after = flat(study.content), flat(smaller(study, lambda model: "none"))
    changed = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    assert all(key.startswith(LESS) for key in changed), changed
    kept = {key for key in before if key.startswith(("perturb.", "tune."))} - {
        "perturb.tiles", "perturb.steps", "tune.trials", "tune.random_trials", "tune.epochs",
    }  # fmt: skip
    assert not kept & changed


def test_every_phase_of_training_has_one_epoch() -> None:
    paper = Params(laid_over(PARAMS.content, read_study("paper_casting", PARAMS)))
    recipes = [recipe_of(Params(smaller(paper, lambda name: "none")), name) for name in paper.models]
    assert [(recipe.warmup_epochs, recipe.epochs) for recipe in recipes] == [(1, 2), (1, 2)]
    assert [recipe.frozen_stages for recipe in recipes] == [4, 6]
    assert {recipe.weights for recipe in recipes} == {"none"}


def test_there_are_train_tiles_for_the_largest_batch() -> None:
    thesis = Params(laid_over(PARAMS.content, read_study("thesis_pcb", PARAMS)))
    assert train_tiles_wanted(thesis) == 64
    assert recipe_of(thesis, "MobileNetV3_large").batch == 64
    assert first_images(thesis) == 2 and first_images(PARAMS) == 6  # by tile, by group
    assert train_tiles_wanted(PARAMS) == 16
