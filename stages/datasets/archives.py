"""Unpacking an archive that comes from elsewhere without trusting it."""

import os
import shutil
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from stages.runtime.errors import InputError

MAX_FILES = 200_000
MAX_BYTES = 50 * 2**30  # unpacked; the largest data set of the table has about 2 GiB
MAX_RATIO = 200  # unpacked / packed bytes: about 1 for JPEG, 20 for text, above 1000 for a bomb
MAX_NAME_BYTES = 255  # of one part of a path, what common file systems take


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a zip file into `folder`: plain files and folders only, all of them inside it.

    An entry never yields more bytes than the archive's directory says, which is what the limits are checked on.

    Raises:
        InputError: an entry leaves the folder, is a link, is encrypted or collides with another; there are more than
            200,000 files, 50 GiB or 200 times the archive's bytes; or the archive is damaged. All names and limits are
            checked before anything is written.
    """
    try:
        with zipfile.ZipFile(archive) as content:
            entries = content.infolist()
            _check_extent(entries, archive)
            targets = [folder / _safe_name(entry, archive.name) for entry in entries]
            _check_collisions(entries, targets, archive.name)
            for entry, target in zip(entries, targets, strict=True):
                if entry.is_dir():
                    target.mkdir(parents=True, exist_ok=True)
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                with content.open(entry) as packed, target.open("wb") as unpacked:
                    shutil.copyfileobj(packed, unpacked, 1 << 20)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise InputError(
            f"{archive.name}: damaged or encrypted ({error}); download again or set dataset.root"
        ) from None


def _check_extent(entries: list[zipfile.ZipInfo], archive: Path) -> None:
    unpacked, packed = sum(entry.file_size for entry in entries), archive.stat().st_size
    if len(entries) > MAX_FILES or unpacked > MAX_BYTES:
        raise InputError(f"{archive.name}: more than {MAX_FILES} files or {MAX_BYTES} bytes; nothing unpacked")
    if unpacked > MAX_RATIO * packed:
        raise InputError(
            f"{archive.name}: {packed} bytes would become {unpacked}, more than {MAX_RATIO} times as many; "
            "nothing unpacked"
        )


def _safe_name(entry: zipfile.ZipInfo, archive: str) -> PurePosixPath:
    name = PurePosixPath(entry.filename)
    kind = stat.S_IFMT(entry.external_attr >> 16)
    outside = name.is_absolute() or ".." in name.parts or "\\" in entry.filename or ":" in entry.filename
    if outside or not name.parts or kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise InputError(f"{archive}: entry {entry.filename!r} leaves the folder or is a link; nothing unpacked")
    if max(len(os.fsencode(part)) for part in name.parts) > MAX_NAME_BYTES:
        raise InputError(f"{archive}: entry {entry.filename[:40]!r}... has too long a name; nothing unpacked")
    return name


def _check_collisions(entries: list[zipfile.ZipInfo], targets: list[Path], archive: str) -> None:
    files: set[Path] = set()
    for entry, target in zip(entries, targets, strict=True):
        if not entry.is_dir():
            if target in files:
                raise InputError(f"{archive}: entry {entry.filename!r} is there twice; nothing unpacked")
            files.add(target)
    folders = {parent for target in targets for parent in target.parents}
    folders |= {target for entry, target in zip(entries, targets, strict=True) if entry.is_dir()}
    if both := files & folders:
        raise InputError(f"{archive}: {min(both).name!r} is a file and a folder; nothing unpacked")
