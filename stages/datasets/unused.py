"""Files that lie in a data set and are not used, with the reason: nothing is passed over in silence."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from stages.datasets.images import IMAGE_SUFFIXES, PICTURE_SUFFIXES, UNREAD_SUFFIXES, SourceImage
from stages.datasets.matching import in_mask_folder, masks_beside
from stages.datasets.names import escaped, stem_of
from stages.datasets.tree import list_files

SOURCE_FILE = "SOURCE.json"
MASK = "masks that no image uses"
PICTURE = "pictures outside of what is read"
FORMAT = "pictures in a format that is not read"
ANNOTATION = "annotations that no image uses"
OTHER = "neither pictures nor annotations"
EXAMPLES = 10  # names kept for each reason

ANNOTATION_SUFFIXES = frozenset({".xml", ".json"})


def find_unused(
    root: Path,
    images: Sequence[SourceImage],
    skipped: Iterable[Mapping[str, str]],
    templates: str | None,
    described_by: Collection[str],
) -> dict[str, list[str]]:
    """Return the files below `root` that the images do not use: their posix paths, sorted, by the reason.

    Args:
        root: the data set's folder.
        images: what the reader made of it.
        skipped: the images that were left out as bad, which are reported elsewhere, with what belongs to them.
        templates: name of a folder of clean boards, which are used otherwise; None: there is none.
        described_by: names (lower case) of files that are read and belong to no image, as a list of classes.

    Raises:
        InputError: a folder cannot be listed.
    """
    tree = list_files(root)
    used = {path for image in images for path in (image.path, image.mask, image.annotation, image.template)}
    left_out = {item["file"] for item in skipped}
    bad_stems = {stem_of(Path(name)) for name in left_out}
    bad_names = tuple(_without_suffix(name) for name in left_out)
    pictures = [path for path in tree.files if path.suffix.lower() in IMAGE_SUFFIXES]
    beside = masks_beside(pictures)
    reasons: dict[str, list[Path]] = defaultdict(
        list, {reason: list(paths) for reason, paths in tree.passed_over.items()}
    )
    for path in tree.files:
        known = path in used or path == root / SOURCE_FILE or path.name.lower() in described_by
        if known or templates in path.relative_to(root).parts:
            continue
        suffix, mask = path.suffix.lower(), path in beside or in_mask_folder(path, root)
        if stem_of(path) in bad_stems:
            # Pictures of other folders may be numbered alike; annotations and masks of that name may be its own, and so
            # is a picture beside it that differs in its suffix alone: its mask.
            image = suffix in PICTURE_SUFFIXES and not mask
            if not image or _without_suffix(escaped(path.relative_to(root).as_posix())).endswith(bad_names):
                continue
        if suffix in IMAGE_SUFFIXES:
            reasons[MASK if mask else PICTURE].append(path)
        elif suffix in UNREAD_SUFFIXES:
            reasons[FORMAT].append(path)
        else:
            reasons[ANNOTATION if suffix in ANNOTATION_SUFFIXES else OTHER].append(path)
    return {
        reason: sorted(escaped(path.relative_to(root).as_posix()) for path in paths)
        for reason, paths in sorted(reasons.items())
    }


def listed(unused: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return for each reason the number of files and the first names, for a record."""
    return {reason: {"files": len(names), "first": list(names[:EXAMPLES])} for reason, names in unused.items()}


def counted(unused: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Return the number of files for each reason."""
    return {reason: len(names) for reason, names in unused.items()}


def in_words(counts: Mapping[str, int]) -> str:
    """Return e.g. "seen, not used: 5 (3 hidden, 2 annotations that no image uses)", or ""."""
    if not counts:
        return ""
    return f"seen, not used: {sum(counts.values())} ({', '.join(f'{n} {reason}' for reason, n in counts.items())})"


def _without_suffix(name: str) -> str:
    return name.removesuffix(Path(name).suffix)
