"""Names that stand for an architecture: the thesis' six, the paper's two, and those whose weights travel in a package.

`_d` models are the thesis' downscaled CNNs: the last feature stage is left out, so a map cell is 16 px instead of 32
(thesis section 2.2, figure 2.4). A hybrid is a ViT that reads a CNN's features instead of patches. Any other timm model
is used by naming its `arch` in params.yaml.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches

import timm

from stages.models.settings import Head, Model
from stages.runtime.errors import InputError
from stages.runtime.params import Family


@dataclass(frozen=True)
class Architecture:
    """A timm architecture, and which part of it is used; a field that `settings.Model` has too is set in params.yaml.

    In a hybrid ViT (Dosovitskiy et al. 2020, section 3.1) the first `depth` blocks of `arch`, untrained, read the
    features of the pre-trained CNN `stem` instead of patches of pixels.
    """

    family: Family
    arch: str  # timm's name, with the tag of its pre-training
    stride: int | None  # pixels per cell: of a CNN's explained feature stage, of a hybrid ViT's stem; else None
    stem: str | None = None  # of a hybrid ViT
    depth: int | None = None  # of a ViT; None: all of its blocks
    head: Head = field(default_factory=Head)
    last_conv: bool = False  # of a CNN: with the convolution between its last feature stage and its pooling

    @property
    def pretrained_arch(self) -> str:
        """The architecture whose pre-trained weights are wanted: the stem's where there is one."""
        return self.stem or self.arch


ARCHITECTURES = {
    "EfficientNetV2_s": Architecture("cnn", "tf_efficientnetv2_s.in1k", 32),
    "EfficientNetV2_s_d": Architecture("cnn", "tf_efficientnetv2_s.in1k", 16),
    "MobileNetV3_large": Architecture("cnn", "mobilenetv3_large_100.ra_in1k", 32),
    "MobileNetV3_large_d": Architecture("cnn", "mobilenetv3_large_100.ra_in1k", 16),
    "DeiT_tiny_patch16_224": Architecture("vit", "deit_tiny_patch16_224.fb_in1k", None),
    "ViT_tiny_patch16_224": Architecture("vit", "vit_tiny_patch16_224.augreg_in21k_ft_in1k", None),
    "VGG16": Architecture("cnn", "vgg16.tv_in1k", 32),
    "ViT_small_DINO": Architecture("vit", "vit_small_patch16_224.dino", None),
    "efficientnet_lite0": Architecture("cnn", "tf_efficientnet_lite0.in1k", 32),
    "efficientnet_lite0_d": Architecture("cnn", "tf_efficientnet_lite0.in1k", 16),
    "vit_hybrid_lite0": Architecture("vit", "vit_tiny_patch16_224", 16, "tf_efficientnet_lite0.in1k", 4),
    "vit_small_patch14_dinov2": Architecture("vit", "vit_small_patch14_dinov2.lvd142m", None),
}


def find_architecture(name: str, model: Model) -> Architecture:
    """Return the architecture of a model: the table's, overridden by what params.yaml says of it.

    Raises:
        InputError: the name is in no table and gives no `arch`, timm does not know the `arch` (near names are
            suggested), the family contradicts the table, or a value does not go with the family.
    """
    where = f"params.yaml: models.{name}"
    listed = ARCHITECTURES.get(model.of or name)  # a repeat under another seed is the model that it repeats
    if listed is None and model.arch is None:
        raise InputError(
            f"{where}: no architecture of this name{_near(name, ARCHITECTURES)}; add `arch:` with a timm model, or use "
            + ", ".join(ARCHITECTURES)
        )
    if listed is not None and listed.family != model.family:
        raise InputError(f"{where}.family is {model.family!r}; {name} is a {listed.family}")
    base = listed or Architecture(model.family, "", 32 if model.family == "cnn" or model.stem else None)
    given = {one.name: value for one in fields(Architecture) if (value := getattr(model, one.name))}
    architecture = replace(base, **given)
    for key in ("arch", "stem"):
        if not (value := getattr(architecture, key)):
            continue
        if not timm.is_model(value):
            raise InputError(f"{where}.{key}: timm has no {value!r}{_near(value, timm.list_models())}")
        try:
            timm.get_pretrained_cfg(value)
        except RuntimeError as error:
            raise InputError(f"{where}.{key} is {value!r}: {error}; drop what stands after the dot") from None
    if model.family == "vit" and architecture.stem is None and model.stride is not None:
        raise InputError(f"{where}.stride: a ViT without a stem has no stride; its map has one value per patch")
    if model.family == "vit" and architecture.last_conv:
        raise InputError(f"{where}.last_conv: belongs to a CNN")
    if model.family == "cnn" and (architecture.stem or model.depth):
        raise InputError(f"{where}: stem and depth belong to a ViT")
    return architecture


def _near(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), n=3)
    return f"; near names: {', '.join(near)}" if near else ""
