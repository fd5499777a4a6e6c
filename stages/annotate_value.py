"""How many annotated tiles does it take until a taught network points better than labels alone? Beside the pipeline.

    python -m stages.annotate_value MODEL --shares 0.01 0.03 0.1 0.3 1 --seeds 0 1 2

Teaches the supervised reference of a model by the truth of a share of its defective training tiles, and of all good
ones, once for each share and seed, and scores it on the test tiles as the pipeline scores the model's own map. Needs
what `dvc repro` left of the model. Writes curve.csv and curve.png.
"""

import argparse
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import product
from pathlib import Path

from stages.records.files import write_csv
from stages.records.paths import maps_folder, tiles_folder
from stages.runtime.command import report
from stages.runtime.errors import InputError
from stages.runtime.params import Params, Runtime, read_params

COLUMNS = ("truth", "metric", "share", "annotated_tiles", "seed", "value", "labels_alone")


def annotate_value(params: Params, model: str, shares: Sequence[float], seeds: Sequence[int], folder: Path) -> str:
    """Write the curve of one model; return the line to print."""
    from stages.figures.annotation_curve import curves_of, draw_curves, words_of
    from stages.heatmaps.maps import open_maps
    from stages.records.tiles import open_tiles
    from stages.runtime.device import choose_device
    from stages.runtime.progress import progress
    from stages.scoring.settings import Score
    from stages.scoring.taught_maps import labels_alone, scores_of_cells
    from stages.scoring.tiles import join_tiles
    from stages.training.engine import start_engine
    from stages.training.settings import read_training
    from stages.training.supervised import annotated_count, annotated_tiles, cells_by, share_of, teach, with_seed

    if model not in params.models:
        raise InputError(f"params.yaml: models has no {model!r}; it has: {', '.join(params.models)}")
    rule, training = params.read(Score), read_training(params, model)
    tiles = join_tiles(open_maps(maps_folder(model)), open_tiles(tiles_folder(params.dataset_name)))
    own = labels_alone(model, rule.choose_by, tiles.truths)
    annotated = annotated_tiles(params)
    if isinstance(annotated, str):
        raise InputError(f"{tiles_folder(params.dataset_name)}: {annotated}, so there is nothing to teach by")
    fabric = start_engine(choose_device(params.read(Runtime).device), training.precision)
    lines: list[tuple[object, ...]] = []
    for share, seed in progress(list(product(sorted(shares), seeds)), f"annotate_value {model}"):
        train, val = share_of(annotated[0], share, seed), annotated[1]
        with ExitStack() as held:
            taught = teach(params, model, with_seed(training, seed), (train, val), fabric, held)
            cells = cells_by(taught.model, tiles.tiles, tiles.index, training, fabric)
            taught.checkpoint.remove()
        for truth, scores in scores_of_cells(cells, taught.model.cell_px, tiles, rule).items():
            count = annotated_count(train)
            lines.append((truth, rule.choose_by, share, count, seed, scores[rule.choose_by], own[truth]))
    curves = curves_of(lines)
    write_csv(folder / "curve.csv", COLUMNS, lines)
    draw_curves(folder / "curve.png", curves, rule.choose_by, f"{model}: what annotation would buy")
    return f"annotate_value {model}: {words_of(curves, rule.choose_by)}; {folder / 'curve.png'}"


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a key of `models` in params.yaml")
    parser.add_argument("--shares", type=float, nargs="+", default=[0.01, 0.03, 0.1, 0.3, 1.0], help="0 to 1")
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[0, 1, 2], help="of training and of which are annotated"
    )
    parser.add_argument("--out", type=Path, help="folder of the curve; default: data/annotation_value/MODEL")
    given = parser.parse_args()
    if not all(0 < share <= 1 for share in given.shares) or any(seed < 0 for seed in given.seeds):
        parser.error("shares are above 0 and at most 1, seeds 0 or more")
    folder = given.out or Path("data/annotation_value") / given.model
    report(lambda: annotate_value(read_params(), given.model, given.shares, given.seeds, folder))


if __name__ == "__main__":
    _main()
