"""Stage `download`: have the data set on disk and record in SOURCE.json where it came from.

`dataset.root` given: nothing is copied; the record holds a checksum of the files there. DVC does not watch that folder:
after changing files in it run `dvc repro -f download`. Otherwise `boards` is generated and the others are fetched from
Kaggle.
"""

import dataclasses

from stages.datasets.boards.write import generate_boards
from stages.datasets.fetch import fetch_kaggle
from stages.datasets.origin import write_source
from stages.datasets.sources import find_root, find_source
from stages.runtime.command import run_stage
from stages.runtime.errors import InputError
from stages.runtime.params import Params
from stages.runtime.paths import raw_folder
from stages.runtime.records import new_folder


def download(params: Params) -> str:
    """Fill data/raw/<name> and return one line of what was done."""
    name, source = params.dataset.name, find_source(params.dataset.name)
    target, root = raw_folder(params.dataset), find_root(params.dataset)
    if params.dataset.root and root.resolve().is_relative_to(target.resolve()):
        raise InputError(f"params.yaml: dataset.root is {root}, which this stage overwrites; move your copy elsewhere")
    with new_folder(target) as folder:
        if params.dataset.root:
            record = write_source(folder, params.dataset, root, {"origin": "local copy"})
        elif source.package:
            record = write_source(folder, params.dataset, root, {"origin": "installed package"})
        elif source.generated:
            generate_boards(params.boards, folder)
            origin = {"origin": "generated", "parameters": dataclasses.asdict(params.boards)}
            record = write_source(folder, params.dataset, folder, origin)
        else:
            assert source.kaggle is not None, name
            fetch_kaggle(source.kaggle, folder)
            record = write_source(folder, params.dataset, folder, {"origin": f"kaggle.com/datasets/{source.kaggle}"})
    unused = record["annotations_without_image"]
    note = f", {unused} annotations without image left out" if unused else ""
    note += f", {len(record['left_out'])} bad files left out" if record["left_out"] else ""
    return f"download: {name}: {record['images']} images ({record['origin']}, {record['bytes'] / 1e6:.1f} MB){note}"


if __name__ == "__main__":
    run_stage(download, __doc__.splitlines()[0])
