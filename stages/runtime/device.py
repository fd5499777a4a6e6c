"""The device that a stage computes on."""

import torch

from stages.runtime.errors import InputError


def choose_device(name: str) -> torch.device:
    """Return the device for `auto | cpu | cuda | cuda:N | mps`; `auto` takes a GPU where there is one.

    Raises:
        InputError: the name is unknown or the device is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InputError(f"params.yaml: runtime.device is {name!r}; use auto, cpu, cuda, cuda:N or mps") from None
    present = {
        "cpu": True,
        "cuda": torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not present.get(device.type, False):
        raise InputError(f"params.yaml: runtime.device is {name!r}, which this machine has not; use auto or cpu")
    return device


def describe_device(device: torch.device) -> str:
    """Return a readable name: the GPU's product name, or `cpu`."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
