"""Stage `download`: have the data set on disk and record in SOURCE.json where it came from.

`dataset.root` given: nothing is copied and nothing written there; the record holds a checksum of the files. DVC does
not watch that folder: after changing files in it run `dvc repro -f download`. Otherwise `boards` is generated and the
others are fetched from Kaggle; a download that was cut off goes on when the stage runs again. Where a data set has
a folder of clean templates, exact masks are derived from them into data/raw/<name>/masks (`dataset.derive_masks`).
"""

import dataclasses
import os
from pathlib import Path
from typing import Any

from stages.datasets.bad_files import BadFiles
from stages.datasets.boards.write import generate_boards
from stages.datasets.fetch import fetch_kaggle
from stages.datasets.origin import SOURCE_FILE, describe_source
from stages.datasets.sources import Source, find_root, find_source
from stages.datasets.templates import MASKS, derive_masks, find_templates
from stages.runtime.command import run_stage
from stages.runtime.errors import InputError
from stages.runtime.params import Params
from stages.runtime.paths import raw_folder
from stages.runtime.records import new_folder, write_json


def download(params: Params) -> str:
    """Fill data/raw/<name> and return one line of what was done."""
    name, source = params.dataset.name, find_source(params.dataset.name)
    target, root = raw_folder(params.dataset), find_root(params.dataset)
    if params.dataset.root and root.resolve().is_relative_to(target.resolve()):
        raise InputError(f"params.yaml: dataset.root is {root}, which this stage overwrites; move your copy elsewhere")
    with new_folder(target) as folder:
        origin = _obtain(params, source, folder)
        root = root if params.dataset.root or source.package else folder
        bad = BadFiles(params.dataset.on_bad_file == "skip")
        images = source.read(root, params.dataset, bad)
        record = describe_source(name, source, root, images, bad) | origin
        templates = find_templates(root, source.templates) if source.templates else None
        if templates and params.dataset.derive_masks and not any(image.has_mask for image in images):
            workers = params.runtime.workers or os.cpu_count() or 1
            record["masks"] = derive_masks(images, templates, folder / MASKS, workers, bad, params.dataset)
            record["left_out"] = bad.skipped
        write_json(folder / SOURCE_FILE, record)
    return _line(name, record)


def _obtain(params: Params, source: Source, folder: Path) -> dict[str, Any]:
    """Fill `folder` unless the user or a package has a copy, and return where the data set comes from."""
    if params.dataset.root:
        return {"origin": "local copy"}
    if source.package:
        return {"origin": "installed package"}
    if source.generated:
        generate_boards(params.boards, folder)
        return {"origin": "generated", "parameters": dataclasses.asdict(params.boards)}
    assert source.kaggle is not None, params.dataset.name  # find_root sees to it
    cache = raw_folder(params.dataset).with_name(f".{params.dataset.name}.download")
    return fetch_kaggle(source.kaggle, folder, cache, params.dataset.archive_sha256)


def _line(name: str, record: dict[str, Any]) -> str:
    line = f"download: {name}: {record['images']} images ({record['origin']}, {record['bytes'] / 1e6:.1f} MB)"
    if unused := record["annotations_without_image"]:
        line += f", {unused} annotations without image left out"
    if record["left_out"]:
        line += f", {len(record['left_out'])} bad files left out"
    if masks := record.get("masks"):
        unclear = sum(masks["boxes_without_change"].values())
        line += f", exact masks of {masks['boxes'] - unclear} of {masks['boxes']} boxes"
    return line


if __name__ == "__main__":
    run_stage(download, __doc__.splitlines()[0])
