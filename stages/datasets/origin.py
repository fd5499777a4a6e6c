"""SOURCE.json: where a data set came from, and a hash that tells one copy from another."""

from hashlib import sha256
from pathlib import Path
from typing import Any

from stages.datasets.bad_files import BadFiles
from stages.datasets.layout import files_below
from stages.datasets.sources import find_source
from stages.runtime.errors import InputError
from stages.runtime.params import Dataset
from stages.runtime.progress import progress
from stages.runtime.records import write_json

SOURCE_FILE = "SOURCE.json"


def describe_files(root: Path) -> dict[str, Any]:
    """Return number of files, their bytes, and one SHA-256 over all of them below `root`.

    The hash is taken over a line "<posix path relative to root> <bytes> <SHA-256 of the content>" per file, sorted by
    path; hidden files and SOURCE.json do not count.

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


def write_source(folder: Path, options: Dataset, root: Path, origin: dict[str, Any]) -> dict[str, Any]:
    """Check that the data set's reader can read `root`, write `folder`/SOURCE.json and return what it says.

    Raises:
        InputError: the data set cannot be read.
    """
    source, bad = find_source(options.name), BadFiles(options.on_bad_file == "skip")
    images = source.read(root, options, bad)
    record = {
        "dataset": options.name,
        "licence": source.licence,
        "images": len(images),
        "left_out": bad.skipped,
        "annotations_without_image": source.unused(root) if source.unused else 0,
        **describe_files(root),
        **origin,
    }
    write_json(folder / SOURCE_FILE, record)
    return record


def _hash_file(path: Path) -> tuple[int, str]:
    digest, content_bytes = sha256(), 0
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
                content_bytes += len(block)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); check dataset.root") from None
    return content_bytes, digest.hexdigest()
