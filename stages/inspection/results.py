"""The folder of results: what may be written there, and what each photograph leaves in it."""

import shutil
from pathlib import Path

from stages.inspection.one_photograph import Finding, Pictures
from stages.inspection.overlay import jpeg, png
from stages.records.files import disk_errors, new_file, read_json
from stages.runtime.errors import InputError

OVERLAYS, PICTURES = "overlays", "photographs"
SUMMARY, REGIONS, COCO, PAGE = "summary.json", "regions.csv", "coco.json", "index.html"
MARK = "defectlens inspect"  # in the summary, so that a folder of ours is known


def prepare(folder: Path, force: bool) -> None:
    """Make the folder of results.

    Args:
        folder: must be new or empty.
        force: earlier results may be there, which are removed.

    Raises:
        InputError: something is there that must not be overwritten, or the folder cannot be written.
    """
    with disk_errors(folder):
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder}: is no folder; choose another --out")
        if folder.is_dir() and any(folder.iterdir()):
            if not force:
                raise InputError(f"{folder}: exists already; choose another --out, or --force to replace its results")
            if not _is_ours(folder):
                raise InputError(f"{folder}: holds no results of inspect to be replaced; choose another --out")
            for name in (OVERLAYS, PICTURES):
                shutil.rmtree(folder / name, ignore_errors=True)
            for name in (REGIONS, COCO, PAGE):
                (folder / name).unlink(missing_ok=True)
        folder.mkdir(parents=True, exist_ok=True)


def write_pictures(folder: Path, finding: Finding, pictures: Pictures) -> None:
    """Write overlay (PNG) and photograph (JPEG) under the photograph's name, and note where.

    The file's own suffix stays in the name, so that a.jpg and a.png do not meet.

    Raises:
        InputError: the disk is full, or a name is too long for the file system.
    """
    name = finding.photograph.name
    for kind, suffix, content in (
        (OVERLAYS, ".png", png(pictures.overlay)),
        (PICTURES, ".jpg", jpeg(pictures.photograph)),
    ):
        place = f"{kind}/{name}{suffix}"
        try:
            with new_file(folder / place) as temporary:
                temporary.write_bytes(content)
        except OSError as error:  # a name that is too long; the rest is an InputError by now
            raise InputError(f"{folder / place}: cannot be written ({error.strerror})") from None
        if kind == OVERLAYS:
            finding.overlay = place
        else:
            finding.picture = place


def _is_ours(folder: Path) -> bool:
    try:
        return read_json(folder / SUMMARY).get("made_by") == MARK
    except InputError:
        return False
