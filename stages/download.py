"""Stage `download`: have the data set on disk and record in SOURCE.json where it came from.

`dataset.root` given: nothing is copied and nothing written there; the record holds a checksum of the files. DVC does
not watch that folder: after changing files in it run `dvc repro -f -s download`. Otherwise `boards` is generated and
the others are fetched from Kaggle into data/raw/.<name>.download. A download that was cut off goes on when the stage
runs again, and an archive whose content is refused stays there and is not fetched again. Where a data set has a
folder of clean templates, exact masks are derived from them into data/raw/<name>/masks (`dataset.derive_masks`).
"""

import dataclasses
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stages.boards.settings import Boards
from stages.boards.write import generate_boards
from stages.datasets.bad_files import BadFiles
from stages.datasets.fetch import Fetched, fetch_kaggle, unpack_fetched
from stages.datasets.origin import describe_source
from stages.datasets.settings import Dataset
from stages.datasets.sources import Source, find_root, find_source
from stages.datasets.templates import MASKS, derive_masks, find_templates
from stages.datasets.unused import SOURCE_FILE, in_words
from stages.records.files import write_json
from stages.records.folders import new_folder
from stages.records.paths import raw_folder
from stages.runtime.command import run_stage
from stages.runtime.errors import InputError
from stages.runtime.params import Params, Runtime


def download(params: Params) -> str:
    """Fill data/raw/<name> and return one line of what was done."""
    dataset = params.read(Dataset)
    name, source = dataset.name, find_source(dataset.name)
    target, root = raw_folder(name), find_root(dataset)
    if dataset.root and root.resolve().is_relative_to(target.resolve()):
        raise InputError(f"params.yaml: dataset.root is {root}, which this stage overwrites; move your copy elsewhere")
    archive = None
    with new_folder(target) as folder:
        origin: dict[str, Any]
        if dataset.root:
            origin = {"origin": "local copy"}
        elif source.package:
            origin = {"origin": "installed package"}
        elif source.generated:
            boards = params.read(Boards)
            generate_boards(boards, folder)
            origin = {"origin": "generated", "parameters": dataclasses.asdict(boards)}
        else:
            fetched = _fetch(dataset, source)
            archive, origin = fetched.archive, fetched.origin
            unpack_fetched(fetched, folder, dataset.archive_sha256)
        root = root if dataset.root or source.package else folder
        with _named(folder, target, archive):
            record = _describe(
                params, source, root, folder, BadFiles(dataset.on_bad_file == "skip", (str(folder), str(target)))
            )
        write_json(folder / SOURCE_FILE, record | origin)
    if archive:
        shutil.rmtree(_cache(dataset))
    return _line(name, record | origin)


def _describe(params: Params, source: Source, root: Path, folder: Path, bad: BadFiles) -> dict[str, Any]:
    """Read the data set below `root` and return its record; derive masks into `folder` where it has templates."""
    dataset = params.read(Dataset)
    images = source.read(root, dataset, bad)
    record = describe_source(dataset.name, source, root, images, bad)
    templates = find_templates(root, source.templates) if source.templates else None
    if templates and dataset.derive_masks and not any(image.has_mask for image in images):
        workers = params.read(Runtime).workers or os.cpu_count() or 1
        record["masks"] = derive_masks(images, templates, folder / MASKS, workers, bad, dataset)
        record["left_out"] = bad.skipped
    return record


@contextmanager
def _named(folder: Path, target: Path, archive: Path | None) -> Iterator[None]:
    """Name files in errors by what the user knows: the archive that they came in, or the folder that is being made."""
    try:
        yield
    except InputError as error:
        if str(folder) not in str(error):
            raise
        text = str(error).replace(str(folder), str(archive or target))
        kept = f" (the archive {archive} stays: no run fetches it again)" if archive else ""
        raise InputError(text + kept) from None


def _fetch(dataset: Dataset, source: Source) -> Fetched:
    assert source.kaggle is not None, dataset.name  # find_root sees to it
    return fetch_kaggle(source.kaggle, _cache(dataset))


def _cache(dataset: Dataset) -> Path:
    return raw_folder(dataset.name).with_name(f".{dataset.name}.download")


def _line(name: str, record: dict[str, Any]) -> str:
    line = f"download: {name}: {record['images']} images ({record['origin']}, {record['bytes'] / 1e6:.1f} MB)"
    if record["left_out"]:
        line += f", {len(record['left_out'])} bad files left out"
    if masks := record.get("masks"):
        unclear = sum(masks["boxes_without_change"].values())
        line += f", exact masks of {masks['boxes'] - unclear} of {masks['boxes']} boxes"
    unused = in_words({reason: item["files"] for reason, item in record["not_used"].items()})
    return "; ".join([line, *record["remarks"], *([unused] if unused else [])])


if __name__ == "__main__":
    run_stage(download, __doc__.splitlines()[0])
