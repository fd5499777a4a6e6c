"""Stage download: have the data set on disk and record in SOURCE.json where it came from.

`dataset.root` given: nothing is copied and nothing written there; the record holds a checksum of the files. DVC does
not watch that folder: after changing files in it run `dvc repro -f -s download`. Otherwise `boards` is generated and
the others are fetched from Kaggle into data/raw/.<name>.download. A download that was cut off goes on when the stage
runs again, and an archive whose content is refused stays there and is not fetched again. Where a data set has a
folder of clean templates, exact masks are derived from them into data/raw/<name>/masks (`dataset.derive_masks`).
"""

import dataclasses
import os
from pathlib import Path
from typing import Any

from stages.boards.settings import Boards
from stages.datasets.settings import Dataset
from stages.records.files import write_json
from stages.records.folders import new_folder, remove
from stages.records.paths import raw_folder
from stages.runtime.command import run_stage
from stages.runtime.errors import InputError
from stages.runtime.params import Params, Runtime


def download(params: Params) -> str:
    """Fill data/raw/<name> and return one line of what was done."""
    from stages.datasets.fetch import fetch_kaggle
    from stages.datasets.origin import describe_source, in_one_line
    from stages.datasets.sources import find_root, find_source
    from stages.datasets.unused import SOURCE_FILE

    dataset, workers = params.read(Dataset), params.read(Runtime).workers or os.cpu_count() or 1
    source, root, target = find_source(dataset.name), find_root(dataset), raw_folder(dataset.name)
    if dataset.root and root.resolve().is_relative_to(target.resolve()):
        raise InputError(f"params.yaml: dataset.root is {root}, which this stage overwrites; move your copy elsewhere")
    cache, archive = target.with_name(f".{dataset.name}.download"), None
    with new_folder(target) as folder:
        if dataset.root or source.package:
            origin = {"origin": "local copy" if dataset.root else "installed package"}
        elif source.kaggle:
            root = folder
            archive, origin = fetch_kaggle(source.kaggle, cache, folder, dataset.archive_sha256)
        else:
            root = folder
            origin = _draw(params.read(Boards), folder)
        record = describe_source(dataset, root, folder, target, archive, workers) | origin
        write_json(folder / SOURCE_FILE, record)
    if archive:
        remove(cache)
    return f"download: {in_one_line(record)}"


def _draw(boards: Boards, folder: Path) -> dict[str, Any]:
    from stages.boards.write import generate_boards

    generate_boards(boards, folder)
    return {"origin": "generated", "parameters": dataclasses.asdict(boards)}


if __name__ == "__main__":
    run_stage(download, __doc__.splitlines()[0])
