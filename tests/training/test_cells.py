"""Learning cells: their truth exact, the loss by hand, and a network that learns where from it, bit for bit again."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
import torch

from stages.metrics.geometry import cell_averages
from stages.models.batches import Labelled
from stages.training.cells import CellTask, CellTruth, annotated, cell_loss, covered, map_shape, truth_of
from stages.training.engine import start_engine
from stages.training.epoch import predict_cells
from stages.training.initial import seed_everything
from stages.training.loop import Fitted, fit
from stages.training.supervised import annotated_count, share_of
from tests.models.tiny import CPU, NOT_KEPT, RECIPE, striped_pixels, tiny_model

BINARY = ("good", "defective")


@dataclass(frozen=True)
class TrueTiles:
    """Tiles in memory with boxes, and exact masks of some."""

    pixels: np.ndarray
    masks: dict[str, np.ndarray]
    exact_px: tuple[int, ...] = ()

    @property
    def index(self) -> pd.DataFrame:
        ids = [f"tile{i}" for i in range(len(self.pixels))]
        return pd.DataFrame({"tile_id": ids, "exact_px": self.exact_px or 1})

    @property
    def truths(self) -> tuple[str, ...]:
        return tuple(self.masks)

    def images(self, positions: np.ndarray) -> np.ndarray:
        return self.pixels[positions]

    def truth(self, kind: str, positions: np.ndarray) -> np.ndarray:
        return self.masks[kind][positions]


def barred(count: int, seed: int) -> Labelled:
    """Tiles of which every other one has a bright bar, with the bar as truth."""
    codes = (np.arange(count) + 1) % 2
    pixels = striped_pixels(codes, seed)
    return Labelled(TrueTiles(pixels, {"boxes": (pixels == 250).all(axis=3)}), codes, BINARY)  # type: ignore[arg-type]


def taught(seed: int = 0, epochs: int = 6) -> tuple[torch.nn.Module, Fitted, Labelled]:
    recipe = replace(RECIPE, epochs=epochs, seed=seed)
    seed_everything(recipe.seed, CPU)
    model, train, val = tiny_model(), barred(48, 1), barred(16, 2)
    cells = CellTask(*(CellTruth(part.tiles, 16, map_shape(model, 32)) for part in (train, val)))
    fitted = fit(model, "cnn", train, val, recipe, start_engine(CPU), "tiny", NOT_KEPT, cells=cells)
    return model, fitted, val


@pytest.mark.parametrize(("px", "cell_px"), [(32, 8), (50, 16), (14, 14), (33, 32)])
def test_the_truth_of_a_cell_is_the_one_that_scoring_calls_the_perfect_map(px: int, cell_px: int) -> None:
    masks = np.random.default_rng(0).random((3, px, px)) < 0.2
    cells = -(-px // cell_px)
    found = covered(torch.from_numpy(masks), cell_px, (cells, cells)).numpy()
    np.testing.assert_allclose(found, cell_averages(masks.astype(np.float32), cells, cells, cell_px), atol=1e-6)


def test_a_map_that_stops_short_of_the_border_has_no_truth_there() -> None:
    masks = torch.zeros(1, 5, 5, dtype=torch.bool)
    masks[0, 4, 4] = True
    assert covered(masks, 2, (2, 2)).tolist() == [[[0, 0], [0, 0]]]


def test_truth_is_flipped_as_the_tile_is() -> None:
    mask = np.zeros((2, 4, 4), bool)
    mask[:, 0, 3] = True  # upper right
    truth = CellTruth(TrueTiles(np.zeros((2, 4, 4, 3), np.uint8), {"boxes": mask}), 2, (2, 2))  # type: ignore[arg-type]
    plain, both = truth.of(np.array([0, 1]), np.array([[False, True], [False, True]]))
    assert plain.tolist() == [[0, 0.25], [0, 0]] and both.tolist() == [[0, 0], [0.25, 0]]
    assert torch.equal(truth.of(np.array([0]))[0], plain)


def test_exact_masks_count_where_there_are_and_else_boxes() -> None:
    boxes, exact = np.zeros((3, 2, 2), bool), np.zeros((3, 2, 2), bool)
    boxes[:2] = True
    exact[0, 0, 0] = True
    tiles = TrueTiles(np.zeros((3, 2, 2, 3), np.uint8), {"boxes": boxes, "exact": exact}, (1, -1, 0))
    assert truth_of(tiles, np.array([1, 0, 2])).sum(axis=(1, 2)).tolist() == [4, 1, 0]  # type: ignore[arg-type]
    # good, a defect whose place nobody marked, a marked one
    known = [Labelled(tiles, np.array(codes), BINARY) for codes in ([1, 1, 0], [1, 1, 1])]  # type: ignore[arg-type]
    assert [annotated(of).tolist() for of in known] == [[True, True, True], [True, True, False]]


def test_the_loss_is_the_mean_over_cells_and_then_over_weighed_tiles() -> None:
    logits = torch.tensor([[[0.0, 2.0]], [[-1.0, 0.0]]])
    truth = torch.tensor([[[0.25, 1.0]], [[0.0, 0.0]]])
    p = torch.sigmoid(logits)
    each = -(truth * p.log() + (1 - truth) * (1 - p).log())
    assert cell_loss(logits, truth).item() == pytest.approx(each.mean().item(), rel=1e-6)
    weighed = (3 * each[0].mean() + 0.5 * each[1].mean()) / 2
    assert cell_loss(logits, truth, torch.tensor([3.0, 0.5])).item() == pytest.approx(weighed.item(), rel=1e-6)
    assert cell_loss(torch.zeros(1, 2, 2), torch.zeros(1, 2, 2)).item() == pytest.approx(np.log(2), rel=1e-6)


def test_it_learns_where_and_keeps_the_epoch_with_the_lowest_loss_of_cells() -> None:
    model, fitted, val = taught()
    assert fitted.best.val_loss == min(epoch.val_loss for epoch in fitted.history)
    assert np.isnan(fitted.best.val_average_precision)
    found = predict_cells(model, val.tiles, 8, start_engine(CPU), (2, 2))  # type: ignore[arg-type]
    assert np.array_equal(found, fitted.val_logits)
    truth = CellTruth(val.tiles, 16, (2, 2)).of(np.arange(16)).numpy()
    assert np.corrcoef(found.ravel(), truth.ravel())[0, 1] > 0.5
    again, fitted_again, _ = taught()
    assert fitted_again.history == fitted.history
    assert all(torch.equal(own, again.state_dict()[key]) for key, own in model.state_dict().items())


def test_a_larger_share_of_annotated_tiles_holds_the_smaller_one_and_all_good_ones() -> None:
    tiles = Labelled(TrueTilesIndexed.of(40), np.arange(40) % 2, BINARY)  # type: ignore[arg-type]
    ids = [set(share_of(tiles, share, seed=3).tiles.index["tile_id"]) for share in (0.01, 0.1, 0.5, 1.0)]
    good = {f"tile{i}" for i in range(0, 40, 2)}
    few = share_of(tiles, 0.1, seed=3)  # two tiles, ten times each: as many steps as with all
    assert few.tiles.index["tile_id"][few.defective].value_counts().tolist() == [10, 10] and annotated_count(few) == 2
    assert len(few.codes) == 40 and share_of(tiles, 1.0, seed=3).tiles.index.equals(tiles.tiles.index)
    assert [len(own - good) for own in ids] == [1, 2, 10, 20] and all(good <= own for own in ids)
    assert ids[0] < ids[1] < ids[2] < ids[3]
    assert ids[1] != set(share_of(tiles, 0.1, seed=4).tiles.index["tile_id"])


class TrueTilesIndexed:
    """Only what a selection needs of tiles."""

    def __init__(self, index: pd.DataFrame) -> None:
        self.folder, self.index = None, index

    @classmethod
    def of(cls, count: int) -> "TrueTilesIndexed":
        return cls(pd.DataFrame({"tile_id": [f"tile{i}" for i in range(count)]}))
