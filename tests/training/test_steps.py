"""Steps and micro-batches: which tiles, of how many, for which network; recipes that cannot be are refused before."""

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from stages.models.cnn import CamClassifier
from stages.runtime.errors import InputError, TrainingFailed
from stages.training.engine import memory_advice, start_engine
from stages.training.loop import fit
from stages.training.settings import Training
from stages.training.steps import least_batch, least_tiles, refuse_recipe, shares, steps
from tests.models.tiny import CPU, HALF, NOT_KEPT, RECIPE, striped_tiles, tiny_model, trained


@pytest.mark.parametrize(
    ("tiles", "batch", "fewest", "lengths"),
    [
        (9, 4, 2, [4, 4]),  # a last one of a single tile is left out
        (10, 4, 2, [4, 4, 2]),
        (3, 1, 1, [1, 1, 1]),
        (11, 4, 4, [4, 4]),
    ],
)
def test_steps_of_an_epoch(tiles: int, batch: int, fewest: int, lengths: list[int]) -> None:
    cut = list(steps(np.arange(tiles), batch, fewest))
    assert [len(positions) for positions in cut] == lengths
    assert np.concatenate(cut).tolist() == list(range(sum(lengths)))


@pytest.mark.parametrize(
    ("batch", "least", "processes", "fewest"),
    [(1, 1, 1, 1), (16, 1, 1, 2), (16, 2, 1, 2), (16, 1, 4, 4), (16, 2, 4, 8)],
)
def test_the_smallest_step(batch: int, least: int, processes: int, fewest: int) -> None:
    assert least_batch(batch, least, processes) == fewest


@pytest.mark.parametrize("processes", [1, 2, 3])
@pytest.mark.parametrize("accumulate", [1, 2, 4])
def test_no_micro_batch_of_one_tile_where_two_are_needed(processes: int, accumulate: int) -> None:
    for tiles in range(2 * processes, 40):
        parts: list[Any] = []
        for rank in range(processes):
            fabric: Any = SimpleNamespace(global_rank=rank, world_size=processes)
            parts.append(shares(fabric, np.arange(tiles), accumulate, 2))
        assert len({len(mine) for mine in parts}) == 1 and len(parts[0]) <= accumulate
        flat = [part for mine in parts for part in mine]
        assert min(len(part) for part, _ in flat) >= 2
        assert sorted(np.concatenate([part for part, _ in flat])) == list(range(tiles))
        assert sum(factor for _, factor in flat) == pytest.approx(1)


@pytest.mark.parametrize(
    ("family", "changes", "least"),
    [
        ("vit", {}, 1),
        ("cnn", {}, 2),
        ("cnn", {"frozen_stages": 2}, 2),
        ("cnn", {"frozen_stages": 99}, 1),  # all there are
        ("cnn", {"warmup_epochs": 3}, 1),  # the head alone learns
        ("cnn", {"warmup_epochs": 2}, 2),
    ],
)
def test_two_tiles_where_batch_normalisation_learns(family: str, changes: dict[str, Any], least: int) -> None:
    model = tiny_model(family)
    if changes.get("frozen_stages") == 99:
        changes = {
            "frozen_stages": len(model.backbone.feature_info.info[: model.backbone.feature_info.out_indices[-1] + 1])
        }
    assert least_tiles(model, replace(RECIPE, **changes)) == least


def test_batch_normalisation_is_refused_one_tile_in_a_line_that_says_what_to_do() -> None:
    train = striped_tiles(48, 1)

    def refused(processes: int = 1, **changes: int) -> str:
        with pytest.raises(InputError) as caught:
            refuse_recipe(tiny_model(), train, replace(RECIPE, **changes), processes)  # type: ignore[arg-type]
        return str(caught.value)

    assert refused(batch=1).endswith("batch normalisation needs 2 together; raise batch to 2")
    line = refused(batch=4, accumulate=4)
    assert line.startswith(
        "params.yaml: batch is 4 in accumulate (4) x processes (1) micro-batches: that leaves one tile"
    )
    assert line.endswith("raise batch to 8, or lower accumulate to 2")
    assert refused(processes=2, batch=8, accumulate=3).endswith("raise batch to 12, or lower accumulate to 2")
    for batch, accumulate, processes in ((2, 1, 1), (4, 2, 1), (8, 2, 2)):
        refuse_recipe(tiny_model(), train, replace(RECIPE, batch=batch, accumulate=accumulate), processes)
    refuse_recipe(tiny_model("vit"), train, replace(RECIPE, batch=1), 1)


@pytest.mark.parametrize(
    ("family", "changes"),
    [
        ("vit", {"batch": 1}),
        ("vit", {"batch": 4, "accumulate": 4}),
        ("cnn", {"batch": 2}),
        ("cnn", {"batch": 5, "accumulate": 2}),  # 48 tiles: the last step has 3, which would be 2 and 1
        ("cnn", {"batch": 1, "warmup_epochs": 3}),
    ],
)
def test_small_batches_train(family: str, changes: dict[str, Any]) -> None:
    model, fitted = trained(family, replace(RECIPE, lr=1e-3, **changes))
    assert len(fitted.history) == 3 and all(math.isfinite(epoch.train_loss) for epoch in fitted.history)
    assert all(torch.isfinite(tensor).all() for tensor in model.state_dict().values())


def test_features_of_one_cell_are_never_normalised_alone() -> None:
    """At stride 32 a tile of 32 px is one cell, of which torch refuses to take statistics."""
    model = CamClassifier("test_efficientnet", 32, HALF, HALF)
    recipe = replace(RECIPE, batch=5, accumulate=2, epochs=1)
    fitted = fit(model, "cnn", striped_tiles(48, 1), striped_tiles(8, 2), recipe, start_engine(CPU), "t", NOT_KEPT)
    assert math.isfinite(fitted.best.train_loss)


@pytest.mark.parametrize(
    ("batch", "accumulate", "processes", "least", "advice"),
    [
        (16, 1, 1, 2, r"raise accumulate \(now 1, at most 8\), which .*, or lower batch \(now 16\) or tile.px"),
        (16, 4, 2, 1, r"raise accumulate \(now 4, at most 8\)"),
        (16, 8, 1, 2, "no fewer than 2 tiles at a time can be; lower tile.px or use a smaller model"),
        (1, 1, 1, 1, "no fewer than 1 tiles at a time can be; lower tile.px"),
    ],
)
def test_advice_that_can_be_followed(batch: int, accumulate: int, processes: int, least: int, advice: str) -> None:
    recipe: Training = replace(RECIPE, batch=batch, accumulate=accumulate)
    with (
        pytest.raises(TrainingFailed, match=f"out of memory in x; {advice}"),
        memory_advice("x", recipe, processes, least),
    ):
        raise MemoryError


def test_validation_takes_no_more_tiles_at_a_time_than_training(monkeypatch: pytest.MonkeyPatch) -> None:
    real, seen = CamClassifier.forward, []

    def forward(self: CamClassifier, images: torch.Tensor, explain: bool = False) -> Any:
        seen.append(len(images))
        return real(self, images, explain)

    monkeypatch.setattr(CamClassifier, "forward", forward)
    trained("cnn", replace(RECIPE, batch=8, accumulate=4, epochs=1))
    assert max(seen) == 2
