"""Data sets annotated with polygons, one JSON file an image: labelme, and GID.

GID (Gear Inspection Dataset) is known second-hand only: the thesis says that each of its JSON files holds the image's
name, categories as numbers, boxes and polygons. The names of its keys here are a guess that nobody has checked against
the data; `dataset.keys` says what they really are.

Whatever else a file holds is never used: neither `imagePath`, which may point anywhere, nor the copy of the image in
`imageData`, nor boxes, since a polygon's own bounds are its box.
"""

import dataclasses
import json
import math
from collections import defaultdict
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from stages.datasets.bad_files import BadFiles
from stages.datasets.images import Box, Polygon, SourceImage, image_shape, read_bytes
from stages.datasets.layout import GOOD, defect_name, describe_images, files_below, group_of, images_below
from stages.runtime.data_params import AnnotationKeys, Dataset
from stages.runtime.errors import InputError

JSON_SUFFIX = frozenset({".json"})
MAX_JSON_BYTES = 2**25  # labelme puts a copy of the image into the file
MAX_CORNERS = 20_000  # of one image
OUTSIDE_PX = 1.0  # how far a corner may lie outside its image, as a drawn outline does; it is moved to the edge
CIRCLE_ERROR_PX = 1 / 16  # how far the polygon that stands for a circle may lie inside it

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

KINDS = ("polygon", "oriented_rectangle", "rectangle", "circle")

Corners = list[tuple[float, float]]


def read_polygon_images(
    root: Path, options: Dataset, bad: BadFiles, keys: Mapping[str, str] = LABELME
) -> list[SourceImage]:
    """Read images and one JSON file each, anywhere below `root`: exact outlines, and their bounds as boxes.

    The JSON of an image has its name without suffix and lies beside it, or else is the only one of that name. An image
    without JSON is refused, since nobody has said that it is good; `dataset.unannotated: good` says so. Groups are
    made by `dataset.group_pattern`.

    Raises:
        InputError: no images below root, or an image's JSON is missing, ambiguous or wrong.
    """
    paths = images_below(_existing(root))
    annotations = defaultdict(list)
    for path in files_below(root, JSON_SUFFIX):
        annotations[path.stem].append(path)
    of_image = {path: _choose(path, annotations[path.stem]) for path in paths}
    users: dict[Path, list[Path]] = defaultdict(list)
    for path, annotation in of_image.items():
        if isinstance(annotation, Path):
            users[annotation].append(path)

    def describe(path: Path, source: str) -> SourceImage:
        annotation = of_image[path]
        if isinstance(annotation, InputError):
            raise annotation
        if annotation is None and options.unannotated == "error":
            raise InputError(
                f"{path}: no {path.stem}.json, so nothing says that it is good; remove it, or set dataset.unannotated "
                "to good if all such images are"
            )
        if annotation is not None and len(users[annotation]) > 1:
            others = ", ".join(user.as_posix() for user in users[annotation] if user != path)
            raise InputError(f"{path}: {annotation} could be its annotation or that of {others}; put them side by side")
        polygons: tuple[Polygon, ...] = ()
        shape = None
        if annotation is not None:
            polygons, shape = read_polygons(annotation, path, keys, options.keys)
        names = {polygon.name for polygon in polygons}
        return SourceImage(
            path=path,
            source=source,
            group=group_of(source, options.group_pattern),
            defect_class=GOOD if not names else names.pop() if len(names) == 1 else "",
            label=None,
            boxes=tuple(bounds(polygon) for polygon in polygons),
            mask=None,
            has_mask=True,
            annotated_shape=shape,
            polygons=polygons,
            drawn_on="upright" if keys is LABELME else None,
        )

    return describe_images(paths, root, describe, bad)


read_gid = partial(read_polygon_images, keys=GID)


def count_unused(root: Path) -> int:
    """Return how many JSON files have no image, so that nothing is left out silently."""
    stems = {path.stem for path in images_below(_existing(root))}
    return sum(path.stem not in stems for path in files_below(root, JSON_SUFFIX))


def read_polygons(
    path: Path, image: Path, keys: Mapping[str, str] = LABELME, given: AnnotationKeys | None = None
) -> tuple[tuple[Polygon, ...], tuple[int, int] | None]:
    """Return the polygons of a JSON file and the (height, width) that it claims for its image, if it does.

    Shapes of kind polygon, rectangle (two opposite corners) and circle (centre and a point on it) become polygons; a
    circle's edges stay within 1/16 px of it. Corners are pairs [x, y], one flat list x, y, x, y ..., or a list of flat
    lists (several outlines of one defect).

    Args:
        path: the JSON file.
        image: its image, whose header is read where the file does not say its size.
        keys: names of entries; "" stands for one that the files do not have.
        given: names from params.yaml, which come first.

    Raises:
        InputError: the file is not readable as JSON or too large, or a shape is wrong, of another kind or outside.
    """
    own = dataclasses.asdict(given or AnnotationKeys())
    names = {**keys, **{name: key for name, key in own.items() if key is not None}}
    content = _load(path)
    shape = _claimed_shape(content, names, path)
    height, width = shape or image_shape(image)
    shapes = _entry(content, names["shapes"], f"{path}: the file") if names["shapes"] else content
    if isinstance(shapes, dict) and not names["shapes"]:
        shapes = [shapes]  # a file of one defect
    if not isinstance(shapes, list):
        raise InputError(f"{path}: {names['shapes'] or 'the file'} is not a list of shapes; see dataset.keys")
    polygons: list[Polygon] = []
    corners = 0
    for number, item in enumerate(shapes, 1):
        where = f"{path}: shape {number}"
        label = _entry(item, names["label"], where)
        if isinstance(label, bool) or not isinstance(label, str | int):
            raise InputError(f"{where}: {names['label']} is neither text nor a whole number; correct it")
        name = defect_name(_text(label), f"{where}: {names['label']}")
        for outline in _outlines(item, names, where, (height, width)):
            corners += len(outline)
            if corners > MAX_CORNERS:
                raise InputError(f"{path}: more than {MAX_CORNERS} corners in one image; simplify its outlines")
            polygons.append(Polygon(_clip(outline, height, width), name))
    return tuple(polygons), shape


def bounds(polygon: Polygon) -> Box:
    """Return the smallest box of whole pixels around a polygon, at least one pixel wide and high."""
    (x_min, x_max), (y_min, y_max) = (_bounds(axis) for axis in zip(*polygon.corners, strict=True))
    return Box(x_min, y_min, x_max, y_max, polygon.name)


def _bounds(values: tuple[float, ...]) -> tuple[int, int]:
    low, high = math.floor(min(values)), math.ceil(max(values))
    return (low, high) if high > low else (max(high - 1, 0), max(high, 1))


def _existing(root: Path) -> Path:
    if not root.is_dir():
        raise InputError(f"{root}: {'is not a folder' if root.exists() else 'is not there'}; set dataset.root")
    return root


def _choose(image: Path, annotations: list[Path]) -> Path | InputError | None:
    beside = image.with_suffix(".json")
    if beside in annotations:
        return beside
    if len(annotations) > 1:
        return InputError(f"{image}: {len(annotations)} files {image.stem}.json; put the right one beside the image")
    return annotations[0] if annotations else None


def _load(path: Path) -> Any:
    def refuse(word: str) -> None:
        raise ValueError(f"{word} is not a number")

    data = read_bytes(path, "annotation", MAX_JSON_BYTES)
    try:
        return json.loads(data, parse_constant=refuse)
    except RecursionError:
        raise InputError(f"{path}: not readable as JSON (nested too deeply); correct or remove it") from None
    except ValueError as error:  # wrong JSON, wrong encoding, a number of thousands of digits
        raise InputError(f"{path}: not readable as JSON ({' '.join(str(error).split())}); correct it") from None


def _entry(item: Any, key: str, where: str) -> Any:
    if not isinstance(item, dict):
        raise InputError(f"{where} is not an object with named entries; see dataset.keys")
    if key not in item:
        raise InputError(f"{where} has no {key!r}; correct it, or see dataset.keys for the name")
    return item[key]


def _text(label: str | int) -> str:
    return label if isinstance(label, str) else str(label) if abs(label) < 10**9 else ""


def _claimed_shape(content: Any, names: Mapping[str, str], path: Path) -> tuple[int, int] | None:
    if not (names["width"] and names["height"]):
        return None
    shape = []
    for key in (names["height"], names["width"]):
        value = _entry(content, key, f"{path}: the file")
        if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 10**6:
            raise InputError(f"{path}: {key} is not a number of pixels; correct it to that of the image")
        shape.append(value)
    return shape[0], shape[1]


def _outlines(item: Any, names: Mapping[str, str], where: str, shape: tuple[int, int]) -> list[Corners]:
    key = names["points"]
    value = _entry(item, key, where)
    kind = item.get(names["kind"], "polygon") if names["kind"] else "polygon"
    if kind not in KINDS:
        raise InputError(
            f"{where} is a {ascii(kind)[:40]}, which has no area here; draw a polygon, rectangle or circle"
        )
    wrong = InputError(f"{where}: {key} are not the corners of a {kind}; correct the shape")
    if not isinstance(value, list) or not value:
        raise wrong
    if all(isinstance(part, list) and len(part) == 2 for part in value):
        parts = [[number for pair in value for number in pair]]
    else:
        parts = value if isinstance(value[0], list) else [value]
    outlines = [_pairs(part, wrong) for part in parts]
    for x, y in (corner for corners in outlines for corner in corners):
        if not (-OUTSIDE_PX <= x <= shape[1] + OUTSIDE_PX and -OUTSIDE_PX <= y <= shape[0] + OUTSIDE_PX):
            raise InputError(f"{where}: corner {x:g}, {y:g} is outside the image of {shape[1]}x{shape[0]} px")
    if kind in ("rectangle", "circle"):
        if len(outlines) != 1 or len(outlines[0]) != 2:
            raise wrong
        return [_rectangle(*outlines[0]) if kind == "rectangle" else _circle(*outlines[0])]
    if any(len(corners) < 3 for corners in outlines):
        raise wrong
    return outlines


def _pairs(numbers: Any, wrong: InputError) -> Corners:
    if not isinstance(numbers, list) or len(numbers) % 2:
        raise wrong
    for number in numbers:
        if isinstance(number, bool) or not isinstance(number, int | float) or not abs(number) < 1e9:  # also NaN, 1e400
            raise wrong
    return [(float(x), float(y)) for x, y in zip(numbers[::2], numbers[1::2], strict=True)]


def _rectangle(first: tuple[float, float], second: tuple[float, float]) -> Corners:
    (x, y), (other_x, other_y) = first, second
    return [(x, y), (other_x, y), (other_x, other_y), (x, other_y)]


def _circle(centre: tuple[float, float], point: tuple[float, float]) -> Corners:
    radius = math.dist(centre, point)
    # An edge over an angle of 2 pi / n lies at most radius * (1 - cos(pi / n)) inside the circle.
    n = max(8, math.ceil(math.pi / math.acos(1 - CIRCLE_ERROR_PX / max(radius, 1.0))))
    angles = (2 * math.pi * k / n for k in range(n))
    return [(centre[0] + radius * math.cos(a), centre[1] + radius * math.sin(a)) for a in angles]


def _clip(corners: Corners, height: int, width: int) -> tuple[tuple[float, float], ...]:
    return tuple((min(max(x, 0.0), float(width)), min(max(y, 0.0), float(height))) for x, y in corners)
