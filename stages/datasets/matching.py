"""Which annotation or mask belongs to which image: by name without suffix, and by the folders that both lie in."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from stages.datasets.images import PICTURE_SUFFIXES
from stages.datasets.names import ANNOTATION_FOLDERS, IMAGE_FOLDERS, MASK_FOLDERS, part_of, stem_of
from stages.runtime.errors import InputError

MASK_ENDINGS = ("_mask", "-mask", "_gt", "_ground_truth", "_seg", "_label")
_ROLES = IMAGE_FOLDERS | ANNOTATION_FOLDERS | MASK_FOLDERS

_Named = dict[str, list[Path]]
Found = dict[Path, Path | InputError]  # image -> its file, or why that cannot be told; images without one are missing


@dataclass(frozen=True)
class Content:
    """The files that a layout says belong to the data set; names of images are relative to `base`."""

    base: Path
    images: Sequence[Path]
    annotations: Sequence[Path]
    masks: Sequence[Path] = ()


def sort_files(files: Sequence[Path], base: Path, suffix: str) -> Content:
    """Return pictures, masks and annotations (by their suffix, in lower case) among the files below `base`.

    A mask is one by its folder's name, or by its own where it has no annotation.
    """
    pictures = [path for path in files if path.suffix.lower() in PICTURE_SUFFIXES]
    annotations = [path for path in files if path.suffix.lower() == suffix]
    annotated = {stem_of(path) for path in annotations}
    beside = {path for path in masks_beside(pictures) if stem_of(path) not in annotated}
    masks = [path for path in pictures if path in beside or in_mask_folder(path, base)]
    left = set(masks)
    return Content(base, [path for path in pictures if path not in left], annotations, masks)


def match_annotations(
    images: Sequence[Path], annotations: Iterable[Path], root: Path, across_parts: bool = False
) -> tuple[Found, list[tuple[Path, Path]]]:
    """Return the annotation of every image that has one; and, sorted, image and annotation that share a name alone.

    An annotation has the image's name without suffix. It lies beside the image, else in a folder without images: one
    whose path has names of the image's folders alone, in their order (Annotations/train/x.xml or Annotations/x.xml for
    images/train/x.jpg; what says that they are images, annotations or masks does not count), that with most of them;
    else, where no other image has it by place, any, when nothing else is called so. That calls for a word, since the
    image's own annotation may be missing. Images of train/ and val/ are often numbered alike, so not even then that of
    another part, unless `across_parts`.
    """
    by_stem = _by_stem(annotations)
    found = _by_place(images, by_stem, root)
    taken = {path for path in found.values() if isinstance(path, Path)}
    with_images = {image.parent for image in images}
    apart = {stem: [path for path in paths if path.parent not in with_images] for stem, paths in by_stem.items()}
    by_name: Found = {}
    for image in images:
        if image not in found:
            part = None if across_parts else part_of(image.relative_to(root))
            left = [path for path in apart.get(stem_of(image), []) if path not in taken]
            if part:
                left = [path for path in left if part_of(path.relative_to(root)) in (None, part)]
            if left:
                by_name[image] = left[0] if len(left) == 1 else _ambiguous(image, left)
    found = _each_once(found | by_name)
    return found, sorted((image, path) for image in by_name if isinstance(path := found[image], Path))


def match_masks(images: Sequence[Path], masks: Iterable[Path], root: Path) -> Found:
    """Return the mask of every image that has one, or the reason why it cannot be told.

    A mask has the image's name, with or without an ending such as `_mask`, and its place as in `match_annotations`,
    but never just anywhere: published masks are numbered anew in each folder.
    """
    return _each_once(_by_place(images, _by_stem(masks, MASK_ENDINGS), root))


def files_of(image: Path, *found: Found) -> list[Path | None]:
    """Return the image's file in each of `found`, None where it has none.

    Raises:
        InputError: it cannot be told which one is the image's.
    """
    files = [match.get(image) for match in found]
    for file in files:
        if isinstance(file, InputError):
            raise file
    return [file for file in files if not isinstance(file, InputError)]


def in_mask_folder(path: Path, root: Path) -> bool:
    """Return whether a folder between `root` and the file says that it holds masks."""
    return any(name.lower() in MASK_FOLDERS for name in path.relative_to(root).parts[:-1])


def masks_beside(pictures: Iterable[Path]) -> set[Path]:
    """Return the pictures that are a mask by their name: `x_mask.png` in the folder that has a picture `x`."""
    pictures = list(pictures)
    named = {(path.parent, stem_of(path)) for path in pictures}
    return {path for path in pictures if any((path.parent, stem) in named for stem in _without_endings(stem_of(path)))}


def twins(images: Iterable[Path]) -> Found:
    """Return an error for every image beside which another has the same name but for the suffix: a mask, or a copy."""
    beside: dict[tuple[Path, str], list[Path]] = defaultdict(list)
    for image in images:
        beside[image.parent, stem_of(image)].append(image)
    return {
        image: InputError(
            f"{image}: {_other(image, paths).name} beside it has the same name but for its suffix; keep one of two "
            f"copies; a mask is called {image.stem}_mask, or lies in masks/"
        )
        for paths in beside.values()
        if len(paths) > 1
        for image in paths
    }


def _by_stem(files: Iterable[Path], endings: Sequence[str] = ()) -> _Named:
    named: _Named = defaultdict(list)
    for path in files:
        for name in (stem_of(path), *_without_endings(stem_of(path), endings)):
            named[name].append(path)
    return named


def _without_endings(stem: str, endings: Sequence[str] = MASK_ENDINGS) -> list[str]:
    return [stem[: -len(ending)] for ending in endings if stem.lower().endswith(ending) and len(stem) > len(ending)]


def _by_place(images: Sequence[Path], by_stem: _Named, root: Path) -> Found:
    with_images = {image.parent for image in images}
    beside: dict[tuple[str, Path], list[Path]] = defaultdict(list)
    apart: dict[tuple[str, tuple[str, ...]], list[Path]] = defaultdict(list)
    for stem, paths in by_stem.items():
        for path in paths:
            beside[stem, path.parent].append(path)
            if path.parent not in with_images:
                apart[stem, _folders(path, root)].append(path)
    folders_of: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for stem, folders in apart:
        folders_of[stem].append(folders)
    found: Found = {}
    for image in images:
        stem, folders = stem_of(image), _folders(image, root)
        best = beside.get((stem, image.parent)) or apart.get((stem, folders))
        if not best:
            fitting = [inner for inner in folders_of.get(stem, ()) if _within(inner, folders)]
            longest = max(map(len, fitting), default=0)
            best = [path for inner in fitting if len(inner) == longest for path in apart[stem, inner]]
        if best:
            found[image] = best[0] if len(best) == 1 else _ambiguous(image, best)
    return found


def _folders(path: Path, root: Path) -> tuple[str, ...]:
    return tuple(name.lower() for name in path.relative_to(root).parts[:-1] if name.lower() not in _ROLES)


def _within(inner: Sequence[str], outer: Sequence[str]) -> bool:
    """Return whether the names of `inner` occur in `outer` in their order."""
    left = iter(outer)
    return all(name in left for name in inner)


def _each_once(found: Found) -> Found:
    users: dict[Path, list[Path]] = defaultdict(list)
    for image, path in found.items():
        if isinstance(path, Path):
            users[path].append(image)
    return {
        image: InputError(f"{image}: {path} could belong to it or to {_other(image, users[path])}; put it beside one")
        if isinstance(path, Path) and len(users[path]) > 1
        else path
        for image, path in found.items()
    }


def _ambiguous(image: Path, files: Sequence[Path]) -> InputError:
    names = ", ".join(str(path) for path in sorted(files)[:2])
    return InputError(f"{image}: {len(files)} files could belong to it ({names}); put the right one beside the image")


def _other(image: Path, images: Sequence[Path]) -> Path:
    return next(other for other in images if other != image)
