"""Where a model's first weights come from: hub | package | file | none | auto."""

import hashlib
import logging
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import timm
import torch
from huggingface_hub import constants, try_to_load_from_cache
from safetensors import SafetensorError
from safetensors.torch import load_file

from stages.models.cnn import CamClassifier, build_features
from stages.models.geometry import refuse_uncovered
from stages.models.packages import package_file, package_of
from stages.models.registry import Architecture
from stages.models.rollout import settings_grid
from stages.models.vit import RolloutClassifier
from stages.runtime.errors import InputError, is_out_of_memory

Classifier = CamClassifier | RolloutClassifier
HUB_FILES = ("model.safetensors", "pytorch_model.bin")  # in timm's order


@dataclass(frozen=True)
class Origin:
    """Where the weights came from before training: for model.json and the metrics.

    sha256: of the file; repository and revision (a commit): of the model hub. None where there is none.
    """

    pretrained: bool
    source: str
    sha256: str | None
    repository: str | None = None
    revision: str | None = None


SCRATCH = Origin(pretrained=False, source="none (random)", sha256=None)


def build_classifier(
    architecture: Architecture, px: int, pretrained: dict[str, Any] | None = None, neurons: int = 1
) -> Classifier:
    """Build the classifier of an architecture for tiles of px x px; weights as `pretrained` says, else random.

    `neurons` of the head: 1 for good / defective, else one per class.
    """
    # timm warns of pre-trained tensors that a truncated network does not use: that is what truncating means.
    logging.getLogger("timm").setLevel(logging.ERROR)
    config = timm.get_pretrained_cfg(architecture.pretrained_arch)
    mean = config.mean if config else (0.485, 0.456, 0.406)
    std = config.std if config else (0.229, 0.224, 0.225)
    if architecture.family == "vit" and architecture.stem is None:
        return RolloutClassifier(architecture.arch, px, mean, std, pretrained, None, architecture.depth, neurons)
    assert architecture.stride is not None  # find_architecture sees to it
    if architecture.stem is not None:
        stem = build_features(architecture.stem, architecture.stride, pretrained)
        return RolloutClassifier(architecture.arch, px, mean, std, None, stem, architecture.depth, neurons)
    return CamClassifier(architecture.arch, architecture.stride, mean, std, pretrained, neurons)


def initial_classifier(
    name: str, architecture: Architecture, px: int, weights: str, weights_path: str | None, neurons: int = 1
) -> tuple[Classifier, Origin]:
    """Build the classifier `name` with the weights that params.yaml asks for.

    `auto` takes the package where one is installed, then the hub, and trains from scratch with one warning where
    neither is to be had.

    Raises:
        InputError: the weights cannot be had or do not fit; the message names the parameter.
    """
    refuse_unusable(architecture, px, f"params.yaml: models.{name}")
    where = f"params.yaml: models.{name}.weights"
    if weights == "none":
        return build_classifier(architecture, px, neurons=neurons), SCRATCH
    if weights == "file":
        return _from_file(architecture, px, neurons, weights_path, f"{where}_path")
    if weights == "package":
        return _from_package(architecture, px, neurons, where)
    if weights == "hub":
        return _from_hub(architecture, px, neurons, where)
    package = package_of(architecture.pretrained_arch)
    if package and package_file(package):
        return _from_package(architecture, px, neurons, where)
    try:
        return _from_hub(architecture, px, neurons, where)
    except InputError as error:
        print(f"warning: {name} is trained from scratch: {error}", file=sys.stderr, flush=True)
        return build_classifier(architecture, px, neurons=neurons), SCRATCH


def refuse_unusable(architecture: Architecture, px: int, where: str) -> None:
    """Pass if the architecture, with random weights, learns from tiles of px x px and explains them.

    timm has architectures that break off at this side, keep their features in another layout or name other strides
    than they have: better said in one line now than by a traceback, or by maps that are painted in the wrong place,
    after training. No random number of the run is drawn.

    Raises:
        InputError: with the reason, after `where`.
    """
    on_stem = f" on stem {architecture.stem!r}" if architecture.stem else ""
    subject = f"{where}: arch {architecture.arch!r}{on_stem} cannot explain tiles of {px} px"
    with torch.random.fork_rng(devices=[]):
        try:
            reason = _why_unusable(build_classifier(architecture, px).eval(), torch.rand(2, 3, px, px))
        except InputError:
            raise
        except Exception as error:  # each architecture fails in its own way: assertions, shapes, types, keys
            if is_out_of_memory(error):
                return  # training says what to change
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
    if reason:
        raise InputError(f"{subject} ({reason}); use another, or another tile.px")


def _why_unusable(model: Classifier, images: torch.Tensor) -> str | None:
    """Return why a classifier in evaluation mode cannot be used, or None; also its training mode is tried."""
    with torch.inference_mode():
        if isinstance(model, RolloutClassifier):
            stem = getattr(model.backbone.patch_embed, "backbone", None)
            if stem is not None and (reason := _why_not_nchw(stem, images)):
                return reason
            logits, maps = model(images, settings_grid(("mean",), (0.0,)))
            if not torch.allclose(logits, model(images).logits, rtol=1e-3, atol=1e-4):
                return "its blocks compute something else than attention, then an MLP"
        else:
            if reason := _why_not_nchw(model.backbone, images):
                return reason
            logits, maps = model(images, explain=True)
        if not (torch.isfinite(maps).all() and torch.isfinite(logits).all()):
            return "its maps or logits are not finite"
    try:
        refuse_uncovered(maps.shape[2:], model.cell_px, images.shape[-1], "its maps")
    except InputError as error:
        return str(error)
    model.train()(images)
    return None


def _why_not_nchw(backbone: Any, images: torch.Tensor) -> str | None:
    """Return how a backbone lays its features out if that is not N C H W; None where it is, or nobody says."""
    if not hasattr(getattr(backbone, "feature_info", None), "channels"):
        return None
    shape, channels = tuple(backbone(images)[-1].shape), backbone.feature_info.channels()[-1]
    if len(shape) == 4 and shape[1] == channels:
        return None
    return f"its features are laid out as {shape}, not as ({len(images)}, {channels}, rows, columns)"


def _from_package(architecture: Architecture, px: int, neurons: int, where: str) -> tuple[Classifier, Origin]:
    package = package_of(architecture.pretrained_arch)
    if package is None:
        arch = architecture.pretrained_arch
        raise InputError(f"{where} is package, but no package carries {arch}; use hub, file or none")
    path = package_file(package)
    if path is None:
        raise InputError(f"{where} is package: {package.distribution} is not installed; run `{package.install}`")
    model = build_classifier(architecture, px, {"state_dict": package.read(path)}, neurons)
    return model, Origin(True, f"package {package.distribution}, trained on {package.trained_on}", _sha256(path))


def _from_hub(architecture: Architecture, px: int, neurons: int, where: str) -> tuple[Classifier, Origin]:
    if not _hub_answers():
        # The client would retry for most of a minute; offline it looks into its cache and answers at once.
        constants.HF_HUB_OFFLINE = True
    try:
        model = build_classifier(architecture, px, {}, neurons)
    except InputError:
        raise
    except Exception as error:  # the hub client raises its own, its HTTP library's and the system's errors
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise InputError(
            f"{where}: {architecture.pretrained_arch} cannot be had from the model hub ({reason}); "
            "give it network, or use package, file or none"
        ) from None
    return model, _hub_origin(architecture.pretrained_arch)


def _hub_origin(arch: str) -> Origin:
    """Return the origin of the file that timm has just read from the hub's cache."""
    config = timm.get_pretrained_cfg(arch)
    repository = config.hf_hub_id if config else None
    if repository is None:
        return Origin(True, f"download {arch}", None)
    repository += arch if repository.endswith("/") else ""
    for name in HUB_FILES:
        found = try_to_load_from_cache(repository, name)
        if isinstance(found, str):
            # snapshots/<commit>/<file>
            return Origin(True, f"hub {arch}", _sha256(Path(found)), repository, Path(found).parent.name)
    return Origin(True, f"hub {arch}", None, repository)


def _hub_answers() -> bool:
    if getproxies():
        return True  # only the client knows its way through the proxy
    address = urlsplit(constants.ENDPOINT)
    try:
        port = address.port or (443 if address.scheme == "https" else 80)
        socket.create_connection((address.hostname or "", port), timeout=5).close()
    except OSError:
        return False
    return True


def _from_file(
    architecture: Architecture, px: int, neurons: int, path: str | None, where: str
) -> tuple[Classifier, Origin]:
    if path is None:
        raise InputError(f"{where} is missing; weights: file needs the path of a .safetensors or .pth file")
    file = Path(path).expanduser()
    try:
        if file.suffix == ".safetensors":
            state = load_file(file)
        else:
            state = torch.load(file, map_location="cpu", weights_only=True)
        state = {key: tensor.float() if tensor.is_floating_point() else tensor for key, tensor in state.items()}
    except FileNotFoundError:
        raise InputError(f"{where}: {file} does not exist") from None
    except (OSError, SafetensorError, RuntimeError, AttributeError, ValueError, EOFError) as error:
        raise InputError(f"{where}: {file} is no readable state dict ({' '.join(str(error).split())[:160]})") from None
    except Exception as error:
        if type(error).__name__ != "UnpicklingError":
            raise
        raise InputError(f"{where}: {file} holds more than tensors and is refused; save a plain state dict") from None
    try:
        model, unfilled = _build_and_compare(architecture, px, neurons, state)
    except (RuntimeError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{where}: {file} does not fit {architecture.pretrained_arch} ({reason})") from None
    if unfilled:
        raise InputError(
            f"{where}: {file} does not fit {architecture.pretrained_arch}: it has no tensor for {unfilled[0]}"
        )
    return model, Origin(True, f"file {file.name}", _sha256(file))


def _build_and_compare(
    architecture: Architecture, px: int, neurons: int, state: dict[str, torch.Tensor]
) -> tuple[Classifier, list[str]]:
    """Build with a state dict and name the backbone's weights that it left random.

    timm loads a truncated network without asking for completeness; a weight that equals the one of a random build
    from the same seed was not in the file.
    """
    seed = int(torch.randint(2**62, (1,)))  # drawn from the run's own seed, so that the head repeats
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        random = _pretrained_part(build_classifier(architecture, px, neurons=neurons))
        torch.manual_seed(seed)
        model = build_classifier(architecture, px, {"state_dict": state}, neurons)
    loaded = _pretrained_part(model)
    return model, [
        key
        for key in random
        if random[key].ndim > 1 and random[key].std() > 0 and torch.equal(random[key], loaded[key])
    ]


def _pretrained_part(model: Classifier) -> dict[str, torch.Tensor]:
    state = model.backbone.state_dict()
    stem = {key: tensor for key, tensor in state.items() if key.startswith("patch_embed.backbone.")}
    return stem or state


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
