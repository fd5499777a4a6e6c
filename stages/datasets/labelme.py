"""Data sets annotated with outlines, one JSON file an image: labelme, X-AnyLabeling, and GID.

GID (Gear Inspection Dataset) is known second-hand only: the thesis says that each of its JSON files holds the image's
name, categories as numbers, boxes and polygons. The names of its keys here are a guess that nobody has checked against
the data; `dataset.keys` says what they really are.

Whatever else a file holds is never used: neither `imagePath`, which may point anywhere, nor the copy of the image in
`imageData`, nor boxes, since an outline's own bounds are its box.
"""

import dataclasses
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from stages.datasets.bad_files import BadFiles
from stages.datasets.images import Bitmap, Polygon, SourceImage, drawn_shape
from stages.datasets.json_shapes import outlines_of, region_of
from stages.datasets.marks import Marks, claimed_shape, marks_of, polygon_inside
from stages.datasets.matching import sort_files
from stages.datasets.names import defect_name
from stages.datasets.orientation import Frame
from stages.datasets.pairs import Format, read_pairs
from stages.datasets.plain_files import load_json
from stages.datasets.settings import Dataset
from stages.datasets.tree import existing, files_below, some_images
from stages.runtime.errors import InputError

MAX_JSON_BYTES = 2**25  # labelme puts a copy of the image into the file
LOOKED_FOR = "images and a JSON file for each"

# "": the file has no such entry (shapes: the file itself is the list)
LABELME = {
    "shapes": "shapes",
    "label": "label",
    "points": "points",
    "kind": "shape_type",
    "width": "imageWidth",
    "height": "imageHeight",
}
GID = {"shapes": "", "label": "category", "points": "segmentation", "kind": "", "width": "", "height": ""}


def read_labelme(root: Path, options: Dataset, bad: BadFiles, keys: Mapping[str, str] = LABELME) -> list[SourceImage]:
    """Read images and one JSON file each, anywhere below `root`: exact outlines, and their bounds as boxes.

    Groups are made by `dataset.group_pattern`; which JSON is whose, see `stages.datasets.matching`.

    Raises:
        InputError: no images below root, or an image's JSON is missing, ambiguous or wrong.
    """
    content = sort_files(files_below(existing(root, LOOKED_FOR)), root, ".json")
    some_images(content.images, root)
    drawn_on: Frame | None = "upright" if keys is LABELME else None  # labelme shows pictures upright
    form = Format(".json", partial(read_shapes, keys=keys), True, "a JSON without shapes", drawn_on)
    return read_pairs(content, form, options, bad)


read_gid = partial(read_labelme, keys=GID)


def read_shapes(path: Path, image: Path, options: Dataset, keys: Mapping[str, str] = LABELME) -> Marks:
    """Return the outlines and regions of a JSON file; see `stages.datasets.json_shapes` for the kinds of shape.

    Args:
        path: the JSON file.
        image: its image, whose header is read where the file does not say its size.
        options: names of entries (`dataset.keys`), which come first, and names that no defect may have.
        keys: names of entries; "" stands for one that the files do not have.

    Raises:
        InputError: the file is not readable as JSON or too large, or a shape is wrong, of another kind or outside.
    """
    given = dataclasses.asdict(options.keys)
    names = {**keys, **{name: key for name, key in given.items() if key is not None}}
    content = load_json(path, MAX_JSON_BYTES)
    claimed = _claimed_shape(content, names, path)
    shape = claimed or drawn_shape(image, options.exif)
    defects: list[Polygon | Bitmap] = []
    for number, item in enumerate(_shapes(content, names, path), 1):
        where = f"{path}: shape {number}"
        label = _entry(item, names["label"], where)
        if isinstance(label, bool) or not isinstance(label, str | int):
            raise InputError(f"{where}: {names['label']} is neither text nor a whole number; correct it")
        text = label if isinstance(label, str) else str(label) if abs(label) < 10**9 else ""
        name = defect_name(text, f"{where}: {names['label']}", options.good_names)
        kind = item.get(names["kind"]) if names["kind"] else None
        points = _entry(item, names["points"], where)
        if kind == "mask":
            defects.append(region_of(points, item.get("mask"), name, shape, where))
            continue
        outlines = outlines_of(points, "polygon" if kind is None else kind, names["points"], shape, where)
        defects += [polygon_inside(outline, shape, name) for outline in outlines]
    return marks_of(defects, claimed, str(path))


def _shapes(content: Any, names: Mapping[str, str], path: Path) -> list[Any]:
    shapes = _entry(content, names["shapes"], f"{path}: the file") if names["shapes"] else content
    if isinstance(shapes, dict) and not names["shapes"]:
        shapes = [shapes]  # a file of one defect
    if not isinstance(shapes, list):
        raise InputError(f"{path}: {names['shapes'] or 'the file'} is not a list of shapes; see dataset.keys")
    return shapes


def _entry(item: Any, key: str, where: str) -> Any:
    if not isinstance(item, dict):
        raise InputError(f"{where} is not an object with named entries; see dataset.keys")
    if key not in item:
        raise InputError(f"{where} has no {key!r}; correct it, or see dataset.keys for the name")
    return item[key]


def _claimed_shape(content: Any, names: Mapping[str, str], path: Path) -> tuple[int, int] | None:
    """Return (height, width), None where the file lacks one, or has null: labelme before 4 wrote none."""
    if not (names["height"] and names["width"] and isinstance(content, dict)):
        return None
    try:
        return claimed_shape(content.get(names["height"]), content.get(names["width"]))
    except ValueError as error:
        raise InputError(
            f"{path}: {names['height']} and {names['width']}: {error}; correct them to those of the image"
        ) from None
