"""The model hub that timm downloads from: whether it answers, and which file of its cache timm has read."""

import socket
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

import timm
from huggingface_hub import constants, try_to_load_from_cache

FILES = ("model.safetensors", "pytorch_model.bin")  # in timm's order


def hub_answers() -> bool:
    """Return whether the hub's server, or a proxy on the way to it, is to be had."""
    if getproxies():
        return True  # only the client knows its way through the proxy
    address = urlsplit(constants.ENDPOINT)
    try:
        port = address.port or (443 if address.scheme == "https" else 80)
        socket.create_connection((address.hostname or "", port), timeout=5).close()
    except OSError:
        return False
    return True


def cached_file(arch: str) -> tuple[str | None, Path | None]:
    """Return the repository of an architecture's weights, and their file in the cache: snapshots/<commit>/<file>.

    None for the repository where timm downloads from elsewhere, for the file where the cache has none.
    """
    config = timm.get_pretrained_cfg(arch)
    repository = config.hf_hub_id if config else None
    if repository is None:
        return None, None
    repository += arch if repository.endswith("/") else ""
    found = (try_to_load_from_cache(repository, name) for name in FILES)
    return repository, next((Path(file) for file in found if isinstance(file, str)), None)
