"""Stage `split`: assign tiles to train, validation and test."""

from functools import partial

from stages.records.files import new_file, write_json
from stages.records.paths import SPLIT_METRICS, split_file, tiles_folder
from stages.records.shards import INDEX_FILE
from stages.records.tiles import open_tiles, read_table
from stages.runtime.command import run_stage
from stages.runtime.params import Params
from stages.tiling.leakage import leakage_of_modes
from stages.tiling.settings import Split
from stages.tiling.splits import describe_duplicates, describe_split, has_official, split_tiles


def split(params: Params) -> str:
    """Write data/splits/<name>.parquet and metrics/split.json, and return one line of what was done."""
    name, rule = params.dataset_name, params.read(Split)
    index = read_table(tiles_folder(name) / INDEX_FILE, "tile")
    table = split_tiles(index, rule, params.task)
    with new_file(split_file(name)) as temporary:
        table.to_parquet(temporary, index=False)
    tiles = open_tiles(tiles_folder(name), split_file(name))
    other_ways = partial(split_tiles, index, task=params.task)
    write_json(SPLIT_METRICS, {name: leakage_of_modes(tiles, table, rule, other_ways)})
    how = f"by {rule.by}" + (" (official)" if rule.official and has_official(index) else "")
    duplicates = describe_duplicates(index, rule)
    if rule.official and not has_official(index) and (parts := sorted({*index["official"]} - {""})):
        how += f" (the publisher's {', '.join(parts)} do not count, since only train and test together do)"
    return f"split: {name} {how}: {describe_split(index, table)}" + (f"; {duplicates}" if duplicates else "")


if __name__ == "__main__":
    run_stage(split, __doc__.splitlines()[0])
