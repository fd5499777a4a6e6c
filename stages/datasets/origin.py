"""SOURCE.json: where a data set came from, what was read of it, and a hash that tells one copy from another."""

from hashlib import sha256
from pathlib import Path
from typing import Any

from stages.datasets.bad_files import BadFiles
from stages.datasets.few import draw_few
from stages.datasets.settings import Dataset
from stages.datasets.sources import find_source, placed
from stages.datasets.templates import MASKS, derive_masks, find_templates
from stages.datasets.tree import files_below
from stages.datasets.twin_masks import copy_masks
from stages.datasets.two_level import derive_from_pairs
from stages.datasets.unused import SOURCE_FILE, find_unused, in_words, listed
from stages.records.hashes import file_sha256
from stages.runtime.errors import InputError
from stages.runtime.progress import progress


def describe_source(
    dataset: Dataset, root: Path, folder: Path, target: Path, archive: Path | None, workers: int
) -> dict[str, Any]:
    """Read the data set below `root` and return what SOURCE.json says about it.

    Where it has clean templates, exact masks are derived into `folder`.

    Args:
        dataset: of params.yaml.
        root: the data set's folder.
        folder: the one that the download stage is filling; `root`, or empty.
        target: the name that `folder` will have, which messages say instead.
        archive: what `folder` was unpacked from, if anything: it stays when its content is refused.
        workers: threads.

    Raises:
        InputError: the reader refuses the data set, masks cannot be derived, or a file cannot be read.
    """
    source, bad = find_source(dataset.name), BadFiles(dataset.on_bad_file == "skip", (str(folder), str(target)))
    try:
        images = source.read(root, dataset, bad)
        record = {
            "dataset": dataset.name,
            "licence": source.licence,
            "images": len(images),
            "left_out": bad.skipped,
            "not_used": listed(find_unused(root, images, bad.skipped, source.templates, source.described_by)),
            "remarks": bad.remarks,
            **describe_files(root),
        }
        templates = find_templates(root, source.templates) if source.templates else None
        few = draw_few(images, dataset.images)
        if dataset.derive_masks and dataset.masks_from:
            record["masks"] = copy_masks(few, placed(dataset.masks_from), folder / MASKS, workers, bad, dataset)
        elif dataset.derive_masks and any(image.template for image in few):
            record["masks"] = derive_from_pairs(few, folder / MASKS, workers, bad, dataset)
        elif templates and dataset.derive_masks and not any(image.has_mask for image in few):
            record["masks"] = derive_masks(few, templates, folder / MASKS, workers, bad, dataset)
        return record
    except InputError as error:
        if str(folder) not in str(error):
            raise
        kept = f" (the archive {archive} stays: no run fetches it again)" if archive else ""
        raise InputError(str(error).replace(str(folder), str(archive or target)) + kept) from None


def describe_files(root: Path) -> dict[str, Any]:
    """Return number of files, their bytes, and one SHA-256 over all of them below `root`.

    The hash is taken over a line "<posix path relative to root> <bytes> <SHA-256 of the content>" per file, sorted by
    path; what `list_files` passes over, and SOURCE.json, do not count.

    Raises:
        InputError: a file cannot be read.
    """
    paths = [path for path in files_below(root) if path != root / SOURCE_FILE]
    total_bytes, whole = 0, sha256()
    for path in progress(paths, "checksum"):
        try:
            digest, content_bytes = file_sha256(path), path.stat().st_size
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror or error}); check dataset.root") from None
        total_bytes += content_bytes
        line = f"{path.relative_to(root).as_posix()} {content_bytes} {digest}\n"
        whole.update(line.encode("utf-8", "surrogateescape"))
    return {"files": len(paths), "bytes": total_bytes, "sha256": whole.hexdigest()}


def in_one_line(record: dict[str, Any]) -> str:
    """Return what the download stage prints about the record of a data set."""
    line = f"{record['dataset']}: {record['images']} images ({record['origin']}, {record['bytes'] / 1e6:.1f} MB)"
    if record["left_out"]:
        line += f", {len(record['left_out'])} bad files left out"
    if masks := record.get("masks"):
        unclear = sum(masks["boxes_without_change"].values())
        line += f", exact masks of {masks['boxes'] - unclear} of {masks['boxes']} boxes"
        line += f" in {masks['images']} images" if "of_images" in masks else ""
    unused = in_words({reason: item["files"] for reason, item in record["not_used"].items()})
    return "; ".join([line, *record["remarks"], *([unused] if unused else [])])
