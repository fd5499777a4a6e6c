"""A broad list of timm's architectures: each explains tiles where its cells are, or is refused before training."""

from contextlib import suppress
from dataclasses import replace

import pytest
import torch
from timm.layers import Mlp

from stages.explainers.explainer import prepare_explainers
from stages.explainers.methods import METHODS, Explain
from stages.explainers.settings import Methods
from stages.models.geometry import measure_reach
from stages.models.registry import Architecture
from stages.models.trained import Description
from stages.models.vit import RolloutClassifier
from stages.models.weights import SCRATCH, build_classifier, refuse_unusable
from stages.runtime.errors import InputError
from stages.runtime.params import read_params

PX = 96
CNNS = """
test_byobnet test_convnext test_nfnet test_resnet test_efficientnet test_mambaout test_coatnet test_vit
beit_base_patch16_224 convmixer_768_32 cpubone_nano cs3darknet_focus_s csatv2 cspnext_tiny densenet121 dla46x_c
ese_vovnet19b_slim_dw edgenext_xx_small efficientformer_l1 efficientformerv2_s0 efficientvim_m1 efficientvit_b0
efficientvit_m0 fasternet_t0 fastvit_t8 mobilenetv3_small_050 gcvit_xxtiny ghostnet_050 hardcorenas_a hgnetv2_b0
inception_v3 inception_v4 lcnet_050 mobileone_s0 mobilevit_xxs mvitv2_tiny nest_tiny pit_ti_224 poolformer_s12 pvt_v2_b0
regnety_002 repghostnet_050 repvgg_a0 repvit_m0_9 res2net50_14w_8s resnetv2_18 rexnetr_100 selecsls42b shvit_s1
starnet_s1 swiftformer_xs swin_tiny_patch4_window7_224 tinynet_e tiny_vit_5m_224 twins_svt_small vgg11_bn xception41
"""
VITS = """
test_vit test_vit2 deit_tiny_distilled_patch16_224 deit3_small_patch16_224 vit_tiny_r_s16_p8_224 vit_small_r26_s32_224
vit_small_patch16_dinov3 eva02_tiny_patch14_224 cait_xxs24_224 xcit_nano_12_p16_224 vit_relpos_small_patch16_224
convit_tiny pit_ti_distilled_224 vit_small_patch16_18x2_224 resmlp_12_224 levit_128s vit_xsmall_patch16_clip_224
flexivit_small vit_dwee_patch16_reg1_gap_256 swin_tiny_patch4_window7_224 resnet18
"""
STEMS = "test_byobnet test_convnext test_nfnet test_resnet test_mambaout test_vit regnety_002 mobilenetv3_small_050"
CASES = [
    *(
        pytest.param(Architecture("cnn", name, stride), id=f"{name}-{stride}")
        for name in CNNS.split()
        for stride in (16, 32)
    ),
    *(pytest.param(Architecture("vit", name, None), id=f"{name}-vit") for name in VITS.split()),
    *(pytest.param(Architecture("vit", "test_vit", 16, name, 1), id=f"{name}-stem") for name in STEMS.split()),
]


@pytest.mark.slow
@pytest.mark.parametrize("architecture", CASES)
def test_explained_or_refused(architecture: Architecture) -> None:
    try:
        refuse_unusable(architecture, PX, "params.yaml: models.x")
    except InputError as error:
        if "\n" not in str(error):
            pytest.skip(str(error))
        raise
    torch.manual_seed(0)
    model = build_classifier(architecture, PX).eval()
    if not isinstance(model, RolloutClassifier):
        with suppress(ValueError):  # attention, or channels taken apart: nobody can measure it
            assert measure_reach(model.backbone, PX).stride == model.cell_px
    real, images = read_params().read(Explain), torch.rand(2, 3, PX, PX)
    with torch.no_grad():
        logits = model(images).logits
    description = Description("x", architecture, PX, "binary", ("good", "defective"), SCRATCH)
    for name in [name for name, method in METHODS.items() if architecture.family in method.families]:
        windows, few = replace(real.occlusion, window_px=48, stride_px=24), replace(real.rise, masks=4)
        given = replace(real, methods=Methods((name,), (name,)), control=False, occlusion=windows, rise=few)
        (planned,) = prepare_explainers(model, description, given)
        if name in ("lrp", "attn_lrp") and type(model.backbone.blocks[0].mlp) is not Mlp:
            with pytest.raises(InputError, match="relevance rules exist for timm's Mlp"):
                planned.heatmaps(images, None)
            continue
        outputs = planned.heatmaps(images, None)
        assert outputs.heatmaps is not None and torch.isfinite(outputs.heatmaps).all(), name
        torch.testing.assert_close(outputs.logits.detach(), logits, rtol=1e-3, atol=1e-4)
