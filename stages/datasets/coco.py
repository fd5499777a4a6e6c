"""Data sets in COCO's JSON: one file lists many images, their defects and the names of kinds.

Read here without pycocotools, which takes boxes and run lengths as they come, and compiles C for the latter.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from stages.datasets.bad_files import BadFiles, describe_images
from stages.datasets.images import PICTURE_SUFFIXES, Bitmap, Box, Polygon, SourceImage, drawn_shape
from stages.datasets.json_shapes import outlines_of
from stages.datasets.marks import Marks, box_between, check_inside, claimed_shape, marks_of, polygon_inside, with_marks
from stages.datasets.names import GOOD, PARTS, Part, composed, defect_name, escaped, group_of, part_of
from stages.datasets.pairs import outlines_of_all_or_none
from stages.datasets.plain_files import load_json
from stages.datasets.rasters import bitmap_of, mask_of_runs, run_lengths
from stages.datasets.settings import Dataset
from stages.datasets.tree import existing, files_below
from stages.runtime.errors import InputError

LOOKED_FOR = "JSON file in COCO's format, with images, annotations and categories"
MAX_JSON_BYTES = 2**28


@dataclass(frozen=True)
class Entry:
    """One image of a JSON file: its name and claimed (height, width), and its annotations as they stand.

    `kinds` are the categories of the file by number.
    """

    file: Path
    name: str
    shape: tuple[int, int] | None
    kinds: Mapping[int, str]
    annotations: list[tuple[str, dict[str, Any]]] = field(default_factory=list)


def read_coco(root: Path, options: Dataset, bad: BadFiles) -> list[SourceImage]:
    """Read every COCO file below `root` and the images that it lists; one that it lists without annotation is good.

    An image is found by its `file_name`: the last folders of its path are those of the name, and where several are,
    the one nearest to the JSON is meant. First folders of names may be others than on this disk, if they are so for all
    of a JSON's images; one that could be found only by passing over more of its name than the others is missing.
    Outlines and run-length codes are exact truth where every annotation of the data set has one; boxes are their
    bounds, else `bbox`. The publisher's part is the folder train/, val/, valid/ or test/ that the image lies in, else
    the word in the JSON's name. Images that no JSON lists are not used.

    Raises:
        InputError: there is no such JSON, it is wrong, two list the same image, or an image is missing or ambiguous.
    """
    files = files_below(existing(root, LOOKED_FOR))
    listing = [path for path in files if path.suffix.lower() == ".json"]
    entries = [entry for path in listing for entry in _entries(path)]
    if not entries:
        seen = f" ({listing[0]} has none of these)" if listing else ""
        raise InputError(f"{root}: no {LOOKED_FOR}{seen}; set dataset.root to a folder that has, or dataset.name")
    of_image = _find_images(entries, files, root, bad)

    def describe(path: Path, source: str) -> SourceImage:
        entry = of_image[path]
        marks = _marks(entry, path, options)
        image = SourceImage(
            path=path,
            source=source,
            group=group_of(source, options.group_pattern),
            defect_class=marks.kind if marks.boxes else GOOD,
            has_mask=True,
            official=part_of(path.relative_to(root)) or _part_in(entry.file.stem),
            annotation=entry.file,
        )
        return with_marks(image, marks)

    return outlines_of_all_or_none(describe_images(of_image, root, describe, bad), bad)


def _entries(path: Path) -> list[Entry]:
    """Return the images of a JSON file; none where it is not COCO's."""
    content = load_json(path, MAX_JSON_BYTES)
    if not isinstance(content, dict) or not {"images", "annotations"} <= content.keys():
        return []
    lists = [content["images"], content["annotations"], content.get("categories", [])]
    if not all(isinstance(items, list) and all(isinstance(item, dict) for item in items) for items in lists):
        raise InputError(f"{path}: images, annotations and categories are not lists of objects; correct it")
    kinds: dict[int, str] = {}
    for item in lists[2]:
        number, name = _id(item, "id", f"{path}: categories"), item.get("name")
        if number in kinds or not isinstance(name, str):
            raise InputError(f"{path}: category {number} stands there twice or has no name; correct it")
        kinds[number] = name
    entries: dict[int, Entry] = {}
    for item in lists[0]:
        number, name = _id(item, "id", f"{path}: images"), item.get("file_name")
        where = f"{path}: image {number}"
        if number in entries or not isinstance(name, str) or not name:
            raise InputError(f"{where} stands there twice or has no file_name; correct it")
        entries[number] = Entry(path, name, _claimed_shape(item, where), kinds)
    for place, item in enumerate(lists[1], 1):
        where = f"{path}: annotation {place}"
        number = _id(item, "image_id", where)
        if number not in entries:
            raise InputError(f"{where}: image_id {number} is not among the images; correct it")
        entries[number].annotations.append((where, item))
    return list(entries.values())


def _find_images(entries: Sequence[Entry], files: Sequence[Path], root: Path, bad: BadFiles) -> dict[Path, Entry]:
    """Return the images that are listed, each with its entry."""
    named: dict[str, list[Path]] = defaultdict(list)
    for path in files:
        if path.suffix.lower() in PICTURE_SUFFIXES:
            named[composed(path.name)].append(path)
    found = [(entry, _find(entry, named, root)) for entry in entries]
    misfits = [_misfit(entry, path, root) if isinstance(path, Path) else None for entry, path in found]
    usual: dict[Path, tuple[int, bool]] = {}  # the least misfit of each JSON's images
    for entry, misfit in zip(entries, misfits, strict=True):
        if misfit is not None:
            usual[entry.file] = min(usual.get(entry.file, misfit), misfit)
    of_image: dict[Path, Entry] = {}
    for (entry, image), misfit in zip(found, misfits, strict=True):
        try:
            if isinstance(image, InputError):
                raise image
            if misfit != usual[entry.file]:
                raise _not_there(entry, f"; {image} is another one")
            if image in of_image:
                raise InputError(f"{image}: listed twice, by {of_image[image].file} and {entry.file}; keep one of them")
            of_image[image] = entry
        except InputError as error:
            bad.refuse(error, escaped(entry.name)[:200])
    return of_image


def _find(entry: Entry, named: Mapping[str, Sequence[Path]], root: Path) -> Path | InputError:
    """Return the image that an entry names, or why that cannot be told."""
    names, beside, part = _names(entry), entry.file.relative_to(root).parts, _part_in(entry.file.stem)
    candidates = named.get(composed(names[-1]), ()) if names else ()
    if not candidates:
        return _not_there(entry)

    def fit(path: Path) -> tuple[int, int, bool]:
        """Count last folders that agree with the name, first ones that agree with the JSON's, and the part."""
        inside = path.relative_to(root)
        return (
            _agreeing(inside.parts[::-1], names[::-1]),
            _agreeing(inside.parts[:-1], beside[:-1]),
            part is not None and part == part_of(inside),
        )

    fits = {path: fit(path) for path in candidates}
    best = [path for path in candidates if fits[path] == max(fits.values())]
    if len(best) > 1:
        return InputError(
            f"{entry.file}: {escaped(entry.name)[:100]!r} could be {best[0]} or {best[1]}; give file_name its folders"
        )
    return best[0]


def _names(entry: Entry) -> list[str]:
    return [part for part in PurePosixPath(entry.name.replace("\\", "/")).parts if part not in ("..", "/", ".")]


def _not_there(entry: Entry, instead: str = "") -> InputError:
    name = escaped(entry.name)[:100]
    return InputError(f"{entry.file}: lists {name!r}, which is not there{instead}; add the image or take it out")


def _misfit(entry: Entry, path: Path, root: Path) -> tuple[int, bool]:
    """Return how many first folders of the name are not those of the path, and whether the JSON is of another part."""
    names, inside = _names(entry), path.relative_to(root)
    listed, found = part_of(entry.file.relative_to(root)) or _part_in(entry.file.stem), part_of(inside)
    other_part = None not in (listed, found) and listed != found
    return len(names) - max(_agreeing(inside.parts[::-1], names[::-1]), 1), other_part


def _agreeing(first: Sequence[str], second: Sequence[str]) -> int:
    pairs = enumerate(zip(first, second, strict=False))
    return next((at for at, (one, other) in pairs if one != other), min(len(first), len(second)))


def _part_in(stem: str) -> Part | None:
    """Return the part that a JSON's name says: instances_train2017, valid, test_coco."""
    words = "".join(letter if letter.isalpha() else " " for letter in stem.lower()).split()
    parts = {PARTS[word] for word in words if word in PARTS}
    return parts.pop() if len(parts) == 1 else None


def _marks(entry: Entry, image: Path, options: Dataset) -> Marks:
    shape = entry.shape or (drawn_shape(image, options.exif) if entry.annotations else (1, 1))
    defects: list[Box | Polygon | Bitmap] = []
    for where, item in entry.annotations:
        number = _id(item, "category_id", where)
        if number not in entry.kinds:
            raise InputError(f"{where}: category_id {number} is not among the categories; correct it")
        name = defect_name(entry.kinds[number], f"{where}: its category", options.good_names)
        outline = item.get("segmentation")
        if isinstance(outline, dict):
            defects.append(_region(outline, name, shape, where))
        elif outline:
            outlines = outlines_of(outline, "polygon", "segmentation", shape, where)
            defects += [polygon_inside(corners, shape, name) for corners in outlines]
        else:
            defects.append(_box(item.get("bbox"), shape, name, where))
    return marks_of(defects, entry.shape, f"{entry.file}: {escaped(entry.name)[:100]!r}")


def _box(value: Any, shape: tuple[int, int], name: str, where: str) -> Box:
    numbers = value if isinstance(value, list) and len(value) == 4 else []
    if not numbers or not all(type(number) in (int, float) and abs(number) < 1e9 for number in numbers):
        raise InputError(f"{where}: bbox is not x, y, width, height; correct it")
    x, y, width, height = numbers
    if width <= 0 or height <= 0:
        raise InputError(f"{where}: bbox is {width:g} px wide and {height:g} px high; correct it")
    corners = [(x, y), (x + width, y + height)]
    check_inside(corners, shape, where)
    return box_between(corners[0], corners[1], shape, name)


def _region(code: Mapping[str, Any], name: str, shape: tuple[int, int], where: str) -> Bitmap:
    counts, extent = code.get("counts"), code.get("size")
    if extent != list(shape):
        raise InputError(
            f"{where}: its run lengths are of size {str(extent)[:30]} but the image is {list(shape)} (height, width)"
        )
    try:
        lengths = run_lengths(counts) if isinstance(counts, str) else counts
        if not isinstance(lengths, list) or not all(type(number) is int for number in lengths):
            raise ValueError("counts is neither text nor a list of whole numbers")
        region = bitmap_of(mask_of_runs(lengths, *shape), 0, 0, name)
    except (ValueError, OverflowError) as error:
        raise InputError(f"{where}: its run lengths are wrong ({str(error)[:100]}); correct it") from None
    if region is None:
        raise InputError(f"{where}: its run lengths mark nothing; remove it")
    return region


def _id(item: Mapping[str, Any], key: str, where: str) -> int:
    value = item.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 10**18:
        raise InputError(f"{where}: {key} is {ascii(value)[:20]}, not a whole number; correct it")
    return value


def _claimed_shape(item: Mapping[str, Any], where: str) -> tuple[int, int] | None:
    try:
        return claimed_shape(item.get("height"), item.get("width"))
    except ValueError as error:
        raise InputError(f"{where}: height and width: {error}; correct them") from None
