"""Stage split: assign tiles to train, validation and test."""

from stages.records.files import write_json
from stages.records.paths import SPLIT_METRICS, split_file, tiles_folder
from stages.runtime.command import run_stage
from stages.runtime.params import Params


def split(params: Params) -> str:
    """Write data/splits/<name>.parquet and metrics/split.json, and return one line of what was done."""
    from stages.records.tables import write_table
    from stages.records.tiles import SPLIT_COLUMNS, open_tiles
    from stages.tiling.leakage import leakage_of_ways
    from stages.tiling.settings import Split
    from stages.tiling.split_words import leaks_in_words, split_in_words
    from stages.tiling.splits import split_tiles

    name, rule = params.dataset_name, params.read(Split)
    tiles = open_tiles(tiles_folder(name))
    table = split_tiles(tiles.index, rule, params.task)
    write_table(split_file(name), table, SPLIT_COLUMNS)
    report = leakage_of_ways(tiles, table, rule, params.task)
    write_json(SPLIT_METRICS, {name: report})
    leaks = leaks_in_words(report[rule.by])
    return f"split: {name} {split_in_words(tiles.index, table, rule)}" + (f"; {leaks}" if leaks else "")


if __name__ == "__main__":
    run_stage(split, __doc__.splitlines()[0])
