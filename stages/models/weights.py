"""Where a model's first weights come from (hub | package | file | none | auto), and whether it can be used at all."""

import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import timm
import torch
from huggingface_hub import constants
from safetensors import SafetensorError
from safetensors.torch import load_file

from stages.models.backbones import build_features
from stages.models.cnn import CamClassifier
from stages.models.geometry import refuse_uncovered
from stages.models.hub import cached_file, hub_answers
from stages.models.packages import package_file, package_of
from stages.models.registry import Architecture
from stages.models.rollout import settings_grid
from stages.models.vit import RolloutClassifier
from stages.records.hashes import file_sha256
from stages.runtime.errors import InputError, is_out_of_memory

Classifier = CamClassifier | RolloutClassifier
Build = Callable[..., Classifier]  # `build_classifier` with all but `pretrained` given


@dataclass(frozen=True)
class Origin:
    """Where the weights came from before training, for model.json; None where there is no such thing."""

    pretrained: bool
    source: str  # in words
    sha256: str | None  # of the file
    repository: str | None = None  # of the model hub
    revision: str | None = None  # its commit


SCRATCH = Origin(pretrained=False, source="none (random)", sha256=None)


def build_classifier(
    architecture: Architecture, px: int, pretrained: dict[str, Any] | None = None, neurons: int = 1
) -> Classifier:
    """Build the classifier of an architecture for tiles of px x px.

    Args:
        architecture: as `find_architecture` returns it.
        px: side of the tiles.
        pretrained: timm's `pretrained_cfg_overlay` that says where the weights of the backbone, of a hybrid ViT those
            of its stem, come from; {}: from the hub; None: random.
        neurons: of the head: 1 for good / defective, else one per class.

    Raises:
        InputError: the architecture has no features of this kind or stride, or px does not go with it.
    """
    # timm warns of pre-trained tensors that a truncated network does not use: that is what truncating means.
    logging.getLogger("timm").setLevel(logging.ERROR)
    config = timm.get_pretrained_cfg(architecture.pretrained_arch)
    mean = config.mean if config else (0.485, 0.456, 0.406)
    std = config.std if config else (0.229, 0.224, 0.225)
    arch, stride = architecture.arch, architecture.stride
    if architecture.family == "cnn":
        assert stride is not None  # find_architecture sees to it
        last_conv = architecture.last_conv
        return CamClassifier(arch, stride, mean, std, pretrained, neurons, architecture.head, last_conv)
    stem = None
    if architecture.stem is not None:
        assert stride is not None
        stem, pretrained = build_features(architecture.stem, stride, pretrained), None
    return RolloutClassifier(arch, px, mean, std, pretrained, stem, architecture.depth, neurons, architecture.head)


def initial_classifier(
    name: str, architecture: Architecture, px: int, weights: str, weights_path: str | None, neurons: int = 1
) -> tuple[Classifier, Origin]:
    """Build a classifier with the first weights that params.yaml asks for.

    Args:
        name: of the model, for messages.
        architecture, px, neurons: see `build_classifier`.
        weights: `models.<name>.weights`: hub | package | file | none | auto, which takes the package where one is
            installed, else the hub, and trains from scratch with one warning where neither is to be had.
        weights_path: for `file`: a .safetensors or .pth file.

    Raises:
        InputError: the weights cannot be had or do not fit; the message names the parameter.
    """
    refuse_unusable(architecture, px, f"params.yaml: models.{name}")
    where, arch = f"params.yaml: models.{name}.weights", architecture.pretrained_arch
    build = partial(build_classifier, architecture, px, neurons=neurons)
    if weights == "file":
        return _from_file(build, arch, weights_path, f"{where}_path")
    package = package_of(arch)
    if weights == "package" or (weights == "auto" and package and package_file(package)):
        return _from_package(build, arch, where)
    if weights == "hub":
        return _from_hub(build, arch, where)
    if weights == "auto":
        try:
            return _from_hub(build, arch, where)
        except InputError as error:
            print(f"warning: {name} is trained from scratch: {error}", file=sys.stderr, flush=True)
    return build(), SCRATCH


def refuse_unusable(architecture: Architecture, px: int, where: str) -> None:
    """Pass if the architecture, with random weights, learns from tiles of px x px and explains them.

    timm has architectures that break off at this side, keep their features in another layout or name other strides
    than they have: better said in one line now than by a traceback, or by maps that are painted in the wrong place,
    after training. No random number of the run is drawn.

    Args:
        architecture: to try.
        px: side of the tiles.
        where: the parameter; the message begins with it.

    Raises:
        InputError: with the reason.
    """
    with torch.random.fork_rng(devices=[]):
        try:
            reason = _why_unusable(build_classifier(architecture, px).eval(), torch.rand(2, 3, px, px))
        except InputError:
            raise
        except Exception as error:  # each architecture fails in its own way: assertions, shapes, types, keys
            if is_out_of_memory(error):
                return  # training says what to change
            words = _in_one_line(error) or "the side is probably no multiple of its patch or window"
            reason = f"{type(error).__name__}: {words}"
    if reason:
        on_stem = f" on stem {architecture.stem!r}" if architecture.stem else ""
        raise InputError(
            f"{where}: arch {architecture.arch!r}{on_stem} cannot explain tiles of {px} px ({reason}); use another, or "
            "another tile.px"
        )


def _why_unusable(model: Classifier, images: torch.Tensor) -> str | None:
    """Return why a classifier in evaluation mode cannot be used, or None; its training mode is tried, too."""
    is_vit = isinstance(model, RolloutClassifier)
    convolutions = getattr(model.backbone.patch_embed, "backbone", None) if is_vit else model.backbone
    with torch.inference_mode():
        if reason := _why_not_nchw(convolutions, images):
            return reason
        if is_vit:
            logits, maps = model(images, settings_grid(("mean",), (0.0,)), explain=model.reads_patches)
        else:
            logits, maps = model(images, explain=True)
        if is_vit and not torch.allclose(logits, model(images).logits, rtol=1e-3, atol=1e-4):
            return "its blocks compute something else than attention, then an MLP"
        if not (torch.isfinite(maps).all() and torch.isfinite(logits).all()):
            return "its maps or logits are not finite"
    try:
        refuse_uncovered(maps.shape[2:], model.cell_px, images.shape[-1], "its maps")
    except InputError as error:
        return str(error)
    model.train()(images)
    return None


def _why_not_nchw(backbone: Any, images: torch.Tensor) -> str | None:
    """Return how a backbone lays its features out if not as N C H W; None where it does, or does not say."""
    if not hasattr(getattr(backbone, "feature_info", None), "channels"):
        return None
    shape, channels = tuple(backbone(images)[-1].shape), backbone.feature_info.channels()[-1]
    if len(shape) == 4 and shape[1] == channels:
        return None
    return f"its features are laid out as {shape}, not as ({len(images)}, {channels}, rows, columns)"


def _from_package(build: Build, arch: str, where: str) -> tuple[Classifier, Origin]:
    package = package_of(arch)
    if package is None:
        raise InputError(f"{where} is package, but no package carries {arch}; use hub, file or none")
    path = package_file(package)
    if path is None:
        raise InputError(f"{where} is package: {package.distribution} is not installed; run `{package.install}`")
    model = build({"state_dict": package.read(path)})
    return model, Origin(True, f"package {package.distribution}, trained on {package.trained_on}", file_sha256(path))


def _from_hub(build: Build, arch: str, where: str) -> tuple[Classifier, Origin]:
    if not hub_answers():
        # The client would retry for most of a minute; offline it looks into its cache and answers at once.
        constants.HF_HUB_OFFLINE = True
    try:
        model = build({})
    except InputError:
        raise
    except Exception as error:  # the hub client raises its own, its HTTP library's and the system's errors
        reason = _in_one_line(error) or type(error).__name__
        raise InputError(
            f"{where}: {arch} cannot be had from the model hub ({reason}); "
            "give it network, or use package, file or none"
        ) from None
    repository, file = cached_file(arch)
    source = f"hub {arch}" if repository else f"download {arch}"
    if file is None:
        return model, Origin(True, source, None, repository)
    return model, Origin(True, source, file_sha256(file), repository, file.parent.name)


def _from_file(build: Build, arch: str, path: str | None, where: str) -> tuple[Classifier, Origin]:
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
    except UnpicklingError:
        raise InputError(f"{where}: {file} holds more than tensors and is refused; save a plain state dict") from None
    except (OSError, SafetensorError, RuntimeError, AttributeError, ValueError, EOFError) as error:
        raise InputError(f"{where}: {file} is no readable state dict ({_in_one_line(error)})") from None
    try:
        model, unfilled = _build_and_compare(build, state)
    except (RuntimeError, KeyError) as error:
        raise InputError(f"{where}: {file} does not fit {arch} ({_in_one_line(error, 200)})") from None
    if unfilled:
        raise InputError(f"{where}: {file} does not fit {arch}: it has no tensor for {unfilled[0]}")
    return model, Origin(True, f"file {file.name}", file_sha256(file))


def _build_and_compare(build: Build, state: dict[str, torch.Tensor]) -> tuple[Classifier, list[str]]:
    """Build with a state dict and name the backbone's weights that it left random.

    timm loads a truncated network without asking for completeness; a weight that equals the one of a random build
    from the same seed was not in the file.
    """
    seed = int(torch.randint(2**62, (1,)))  # drawn from the run's own seed, so that the head repeats
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        random = _pretrained_part(build())
        torch.manual_seed(seed)
        model = build({"state_dict": state})
    loaded = _pretrained_part(model)
    unfilled = [key for key in random if random[key].ndim > 1 and torch.equal(random[key], loaded[key])]
    return model, [key for key in unfilled if random[key].std() > 0]  # a constant may well be the file's value, too


def _pretrained_part(model: Classifier) -> dict[str, torch.Tensor]:
    """Return the tensors that come from a file: those of the backbone, of a hybrid ViT those of its stem."""
    state = model.network.state_dict()
    stem = {key: tensor for key, tensor in state.items() if key.startswith("patch_embed.backbone.")}
    return stem or state


def _in_one_line(error: Exception, length: int = 160) -> str:
    return " ".join(str(error).split())[:length]
