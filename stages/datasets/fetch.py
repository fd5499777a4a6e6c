"""Fetching a data set from Kaggle with the official client."""

import contextlib
import importlib
import io
import shutil
from pathlib import Path
from typing import Any

from stages.datasets.archives import unpack
from stages.records.files import DISK_TROUBLE, read_json, write_json
from stages.records.hashes import file_sha256
from stages.runtime.errors import InputError

OWN_COPY = "or set dataset.root to your own copy"


def fetch_kaggle(
    slug: str, cache: Path, folder: Path, expected_sha256: str | None = None
) -> tuple[Path, dict[str, Any]]:
    """Download the data set `slug` (owner/name) unless its present version is in `cache` already, and unpack it.

    The archive stays in `cache`, which outlives a failed or killed run: the client resumes there when the server's
    ETag and length are unchanged, else it starts again. It checks the bytes that arrive against Content-Length. An
    archive that is complete has a record beside it and is not fetched again; whoever could use it removes `cache`.
    One that is damaged or hostile is removed, so that the next run fetches it anew.

    Args:
        slug: owner/name.
        cache: folder for the archive.
        folder: where it is unpacked.
        expected_sha256: of the archive (`dataset.archive_sha256`); None: any.

    Returns:
        The archive; and for SOURCE.json: origin, version (Kaggle's number, None if unknown), licence_at_origin (its
        name there), archive_bytes, archive_sha256.

    Raises:
        InputError: no or wrong credentials, no network, no such data set, not enough disk, or the archive is damaged,
            hostile or not the expected one. The message names dataset.root, which needs no download.
    """
    about, archive = _download(slug, cache)
    digest = file_sha256(archive)
    origin = {
        "origin": f"kaggle.com/datasets/{slug}",
        "version": about.current_version_number,
        "licence_at_origin": about.license_name,
        "archive_bytes": archive.stat().st_size,
        "archive_sha256": digest,
    }
    write_json(_record_of(archive), origin)
    if expected_sha256 not in (None, digest):
        raise InputError(
            f"{archive}: its SHA-256 is {digest}, but dataset.archive_sha256 is {expected_sha256}; the archive stays "
            f"there: correct or null that parameter, {OWN_COPY}"
        )
    try:
        unpack(archive, folder)
    except InputError as error:
        shutil.rmtree(archive.parent)
        raise InputError(f"{error} (the archive, {archive}, is removed)") from None
    return archive, origin


def _record_of(archive: Path) -> Path:
    return archive.with_suffix(".json")


def _is_complete(archive: Path) -> bool:
    """Return whether an earlier run had the whole archive, of which nothing is lost since."""
    try:
        return archive.stat().st_size == read_json(_record_of(archive))["archive_bytes"]
    except (OSError, InputError, KeyError):
        return False


def _download(slug: str, cache: Path) -> tuple[Any, Path]:
    """Return what Kaggle says about the data set, and its whole archive in `cache`/<version>.

    The version is part of the path because the client takes any local file that is not shorter than the archive for
    the archive.

    The client is imported here and nowhere else, because its import reads credentials and prints; what it prints is
    dropped, since the errors below say the same in one line.
    """
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            api = importlib.import_module("kaggle").api
            about = _describe(api, slug)
            archive = cache / str(about.current_version_number) / f"{slug.split('/')[1]}.zip"
            if _is_complete(archive):
                return about, archive
            archive.parent.mkdir(parents=True, exist_ok=True)
            missing_bytes = (about.total_bytes or 0) - (archive.stat().st_size if archive.is_file() else 0)
            free_bytes = shutil.disk_usage(archive.parent).free
            if missing_bytes > free_bytes:  # the client would try a full disk for a minute
                raise InputError(
                    f"{cache}: {free_bytes / 1e6:.0f} MB free, but {slug} has {missing_bytes / 1e6:.0f} MB to "
                    f"come; make room, {OWN_COPY}"
                )
            api.dataset_download_files(slug, path=str(archive.parent), quiet=True, unzip=False)
    except InputError:
        raise
    except (Exception, SystemExit) as error:  # the client raises many kinds and calls exit() without credentials
        if isinstance(error, OSError) and error.errno in DISK_TROUBLE:
            raise
        raise InputError(_reason(slug, error)) from None
    if not archive.is_file():
        raise InputError(f"{slug}: Kaggle sent no archive; set dataset.root to your own copy")
    return about, archive


def _describe(api: Any, slug: str) -> Any:
    types = importlib.import_module("kagglesdk.datasets.types.dataset_api_service")
    request = types.ApiGetDatasetRequest()
    request.owner_slug, request.dataset_slug = slug.split("/")
    with api.build_kaggle_client() as client:
        return client.datasets.dataset_api_client.get_dataset(request)


def _reason(slug: str, error: BaseException) -> str:
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403):
        return (
            f"{slug}: Kaggle refuses the credentials ({status}); give valid ones (KAGGLE_API_TOKEN, "
            f"~/.kaggle/access_token or kaggle.json), accept the terms on its page, {OWN_COPY}"
        )
    if status == 404:
        return f"{slug}: Kaggle has no such data set (404); set dataset.root to your own copy"
    text = " ".join(str(error).split())[:120] or "no message"
    return (
        f"{slug}: not downloaded from Kaggle ({type(error).__name__}: {text}); run again to go on where it stopped, "
        f"check network and credentials (KAGGLE_API_TOKEN, ~/.kaggle/access_token), {OWN_COPY}"
    )
