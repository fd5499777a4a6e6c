"""Stage `split`: assign tiles to train, validation and test."""

from stages.datasets.shards import INDEX_FILE
from stages.datasets.splits import describe_duplicates, describe_split, has_official, split_tiles
from stages.datasets.tiles import read_table
from stages.runtime.command import run_stage
from stages.runtime.params import Params
from stages.runtime.paths import split_file, tiles_folder
from stages.runtime.records import new_file


def split(params: Params) -> str:
    """Write data/splits/<name>.parquet and return one line of what was done."""
    name = params.dataset.name
    index = read_table(tiles_folder(name) / INDEX_FILE, "tile")
    table = split_tiles(index, params.split, params.task)
    with new_file(split_file(name)) as temporary:
        table.to_parquet(temporary, index=False)
    how = f"by {params.split.by}" + (" (official)" if params.split.official and has_official(index) else "")
    duplicates = describe_duplicates(index, params.split)
    return f"split: {name} {how}: {describe_split(index, table)}" + (f"; {duplicates}" if duplicates else "")


if __name__ == "__main__":
    run_stage(split, __doc__.splitlines()[0])
