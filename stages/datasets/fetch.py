"""Fetching a data set from Kaggle with the official client, and unpacking it without trusting the archive."""

import contextlib
import importlib
import io
import shutil
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from stages.runtime.errors import InputError

MAX_FILES = 200_000
MAX_BYTES = 50 * 2**30  # unpacked; the largest data set of the table has about 2 GiB


def fetch_kaggle(slug: str, folder: Path) -> None:
    """Download the data set `slug` (owner/name) from Kaggle and unpack it into `folder`.

    The client is imported here and nowhere else, because its import reads credentials and prints; what it prints is
    dropped, since the error below says the same in one line.

    Raises:
        InputError: no credentials, no network, no such data set, or an archive that is broken or hostile. The message
            names dataset.root, which needs no download.
    """
    archives = folder / ".archive"
    archives.mkdir(parents=True)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            api = importlib.import_module("kaggle").api
            api.dataset_download_files(slug, path=str(archives), quiet=True, unzip=False)
        files = list(archives.glob("*.zip"))
        if len(files) != 1:
            raise InputError(f"{slug}: Kaggle sent {len(files)} archives instead of one; set dataset.root to a copy")
    except InputError:
        raise
    except (Exception, SystemExit) as error:  # the client raises many kinds and calls exit() without credentials
        reason = " ".join(str(error).split()) or "no message"
        raise InputError(
            f"{slug}: not downloaded from Kaggle ({type(error).__name__}: {reason[:120]}); give credentials "
            "(KAGGLE_API_TOKEN, or ~/.kaggle/access_token) and a network, or set dataset.root to your own copy"
        ) from None
    unpack(files[0], folder)
    shutil.rmtree(archives)


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a zip file into `folder`: plain files and folders only, all of them inside it.

    Raises:
        InputError: an entry leaves the folder, is a link or is encrypted, there are more than 200,000 files or 50 GiB,
            or the archive is damaged. All names are checked before anything is written.
    """
    try:
        with zipfile.ZipFile(archive) as content:
            entries = content.infolist()
            if len(entries) > MAX_FILES or sum(entry.file_size for entry in entries) > MAX_BYTES:
                raise InputError(f"{archive.name}: more than {MAX_FILES} files or {MAX_BYTES} bytes; nothing unpacked")
            targets = [folder / _safe_name(entry, archive.name) for entry in entries]
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


def _safe_name(entry: zipfile.ZipInfo, archive: str) -> PurePosixPath:
    name = PurePosixPath(entry.filename)
    kind = stat.S_IFMT(entry.external_attr >> 16)
    outside = name.is_absolute() or ".." in name.parts or "\\" in entry.filename or ":" in entry.filename
    if outside or not name.parts or kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise InputError(f"{archive}: entry {entry.filename!r} leaves the folder or is a link; nothing unpacked")
    return name
