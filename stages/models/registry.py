"""Names that stand for an architecture: the thesis' six models and those whose weights travel in a package.

`_d` models are the thesis' downscaled CNNs: the last feature stage is left out, so maps are 14x14 for a 224 px tile
instead of 7x7 (thesis section 2.2, figure 2.4). Any other timm model is used by naming its `arch` in params.yaml.
"""

from dataclasses import dataclass
from difflib import get_close_matches

import timm

from stages.runtime.errors import InputError
from stages.runtime.params import Model


@dataclass(frozen=True)
class Architecture:
    """A timm architecture (with its pre-training tag) and, for a CNN, the stride of the explained feature stage."""

    family: str
    arch: str
    stride: int | None


ARCHITECTURES = {
    "EfficientNetV2_s": Architecture("cnn", "tf_efficientnetv2_s.in1k", 32),
    "EfficientNetV2_s_d": Architecture("cnn", "tf_efficientnetv2_s.in1k", 16),
    "MobileNetV3_large": Architecture("cnn", "mobilenetv3_large_100.ra_in1k", 32),
    "MobileNetV3_large_d": Architecture("cnn", "mobilenetv3_large_100.ra_in1k", 16),
    "DeiT_tiny_patch16_224": Architecture("vit", "deit_tiny_patch16_224.fb_in1k", None),
    "ViT_tiny_patch16_224": Architecture("vit", "vit_tiny_patch16_224.augreg_in21k_ft_in1k", None),
    "efficientnet_lite0": Architecture("cnn", "tf_efficientnet_lite0.in1k", 32),
    "efficientnet_lite0_d": Architecture("cnn", "tf_efficientnet_lite0.in1k", 16),
    "vit_small_patch14_dinov2": Architecture("vit", "vit_small_patch14_dinov2.lvd142m", None),
}


def find_architecture(name: str, model: Model) -> Architecture:
    """Return the architecture of a model: the table's, overridden by `arch` and `stride` of params.yaml.

    Raises:
        InputError: the name is in no table and gives no `arch`, timm does not know the `arch` (near names are
            suggested), the family contradicts the table, or a ViT is given a stride.
    """
    where = f"params.yaml: models.{name}"
    listed = ARCHITECTURES.get(name)
    if listed is None and model.arch is None:
        raise InputError(f"{where}: no architecture of this name; add `arch:` with a timm model, or use {_listed()}")
    if listed is not None and listed.family != model.family:
        raise InputError(f"{where}.family is {model.family!r}; {name} is a {listed.family}")
    arch = model.arch or listed.arch  # type: ignore[union-attr]
    if not timm.is_model(arch):
        near = get_close_matches(arch, timm.list_models(), n=3)
        raise InputError(f"{where}.arch: timm has no {arch!r}" + (f"; near names: {', '.join(near)}" if near else ""))
    if model.family == "vit":
        if model.stride is not None:
            raise InputError(f"{where}.stride: only a CNN has a stride; a ViT's map has one value per patch")
        return Architecture("vit", arch, None)
    return Architecture("cnn", arch, model.stride or (listed.stride if listed else 32))


def _listed() -> str:
    return ", ".join(ARCHITECTURES)
