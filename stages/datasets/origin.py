"""SOURCE.json: where a data set came from, and a hash that tells one copy from another."""

from hashlib import sha256
from pathlib import Path
from typing import Any

from stages.datasets.bad_files import BadFiles
from stages.datasets.images import SourceImage
from stages.datasets.sources import Source
from stages.datasets.tree import files_below
from stages.datasets.unused import SOURCE_FILE, find_unused, listed
from stages.records.hashes import file_sha256
from stages.runtime.errors import InputError
from stages.runtime.progress import progress


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
        content_bytes, digest = _hash_file(path)
        total_bytes += content_bytes
        whole.update(
            f"{path.relative_to(root).as_posix()} {content_bytes} {digest}\n".encode("utf-8", "surrogateescape")
        )
    return {"files": len(paths), "bytes": total_bytes, "sha256": whole.hexdigest()}


def describe_source(name: str, source: Source, root: Path, images: list[SourceImage], bad: BadFiles) -> dict[str, Any]:
    """Return what SOURCE.json says about the files below `root`, which the reader made `images` of.

    Raises:
        InputError: a file cannot be read.
    """
    return {
        "dataset": name,
        "licence": source.licence,
        "images": len(images),
        "left_out": bad.skipped,
        "not_used": listed(find_unused(root, images, bad.skipped, source.templates, source.described_by)),
        "remarks": bad.remarks,
        **describe_files(root),
    }


def _hash_file(path: Path) -> tuple[int, str]:
    try:
        return path.stat().st_size, file_sha256(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); check dataset.root") from None
