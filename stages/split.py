"""Stage `split`: assign tiles to train, validation and test."""

from functools import partial

from stages.datasets.leakage import leakage_of_modes
from stages.datasets.shards import INDEX_FILE
from stages.datasets.splits import describe_split, split_tiles
from stages.datasets.tiles import open_tiles, read_table
from stages.runtime.command import run_stage
from stages.runtime.params import Params
from stages.runtime.paths import SPLIT_METRICS, split_file, tiles_folder
from stages.runtime.records import new_file, write_json


def split(params: Params) -> str:
    """Write data/splits/<name>.parquet and metrics/split.json, and return one line of what was done."""
    name = params.dataset.name
    index = read_table(tiles_folder(name) / INDEX_FILE, "tile")
    table = split_tiles(index, params.split)
    with new_file(split_file(name)) as temporary:
        table.to_parquet(temporary, index=False)
    tiles = open_tiles(tiles_folder(name), split_file(name))
    write_json(SPLIT_METRICS, {name: leakage_of_modes(tiles, table, params.split, partial(split_tiles, index))})
    return f"split: {name} by {params.split.by}: {describe_split(index, table)}"


if __name__ == "__main__":
    run_stage(split, __doc__.splitlines()[0])
