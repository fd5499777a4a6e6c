"""ELPV: 2,624 solar cells in electroluminescence light, labels only; images/*.png and labels.csv.

Each line of labels.csv holds an image's path, the probability that the cell is defective (0, 1/3, 2/3 or 1, from how
experts judged it and how sure they were) and the module's type. Source: Deitsch et al., Automatic classification of
defective photovoltaic module cells in electroluminescence images, Solar Energy 185 (2019). A package index carries the
data as `elpv-dataset`, whose folder is read without importing it.
"""

import csv
import importlib.util
from pathlib import Path, PurePosixPath

from stages.datasets.bad_files import BadFiles, describe_images
from stages.datasets.images import PICTURE_SUFFIXES, SourceImage
from stages.datasets.names import GOOD
from stages.datasets.plain_files import read_bytes
from stages.datasets.settings import Dataset
from stages.datasets.tree import child_folders, files_below, find_layout, only, some_images
from stages.runtime.errors import InputError

PACKAGE = "elpv_dataset"
LOOKED_FOR = "folder images/ and file labels.csv"
LABELS_FILE = "labels.csv"
MAX_CSV_BYTES = 2**24
TYPES = ("mono", "poly")


def package_folder() -> Path:
    """Return the folder of the installed package's data.

    Raises:
        InputError: the package is not installed.
    """
    found = importlib.util.find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise InputError("dataset.name: elpv needs a package: pip install elpv-dataset, or set dataset.root to a copy")
    return Path(found.submodule_search_locations[0]) / "data"


def read_elpv(root: Path, options: Dataset, bad: BadFiles) -> list[SourceImage]:
    """Read ELPV: a cell is defective when its probability is above `dataset.defect_probability`.

    The cells come from 44 modules, but nothing says from which: every cell is its own group, and cells of one module
    may lie in different splits.

    Raises:
        InputError: the layout is missing, labels.csv is wrong, or an image has no line in it.
    """
    folder = only(find_layout(root, _is_elpv, LOOKED_FOR), root, LOOKED_FOR)
    lines = _read_labels(folder / LABELS_FILE)
    paths = files_below(folder / "images", PICTURE_SUFFIXES)
    some_images(paths, folder / "images")
    for name in sorted(lines.keys() - {path.relative_to(folder).as_posix() for path in paths}):
        bad.refuse(InputError(f"{folder / LABELS_FILE}: {ascii(name)[:100]} is not in images/; see dataset.root"), name)

    def describe(path: Path, source: str) -> SourceImage:
        if source not in lines:
            raise InputError(f"{path}: not in {LABELS_FILE}; add its label or remove it")
        probability = _probability(lines[source], f"{folder / LABELS_FILE}: {source}")
        defective = probability > options.defect_probability
        return SourceImage(
            path=path,
            source=source,
            group=source,
            defect_class="cell_defect" if defective else GOOD,
            label="defective" if defective else "good",
        )

    return describe_images(paths, folder, describe, bad)


def _is_elpv(folder: Path) -> bool:
    return (folder / LABELS_FILE).is_file() and bool(child_folders(folder, {"images"}))


def _read_labels(path: Path) -> dict[str, list[str]]:
    try:
        text = read_bytes(path, "list of labels", MAX_CSV_BYTES).decode()
        rows = list(csv.reader(text.splitlines(), delimiter=" ", skipinitialspace=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not readable as a list of labels ({error}); restore it") from None
    lines: dict[str, list[str]] = {}
    for number, row in enumerate(rows, 1):
        if not row:
            continue
        name = PurePosixPath(row[0]).as_posix()
        if name in lines:
            raise InputError(f"{path}: line {number}: {ascii(name)[:100]} stands there twice; restore the file")
        lines[name] = row[1:]
    return lines


def _probability(values: list[str], where: str) -> float:
    try:
        probability, kind = values
        number = float(probability)
    except ValueError:
        number, kind = -1.0, ""
    if not 0 <= number <= 1 or kind not in TYPES:
        raise InputError(f"{where}: expected a probability from 0 to 1 and {' or '.join(TYPES)}; restore the file")
    return number
