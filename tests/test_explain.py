"""Stage explain: several methods in one pass, killed and resumed, several classes, what it refuses."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from stages.explain import explain
from stages.explainers.explainer import prepare_explainers
from stages.explainers.methods import Explain
from stages.explainers.run import ROOMS
from stages.explainers.settings import Guided, Methods
from stages.heatmaps.maps import open_maps
from stages.models.cnn import CamClassifier
from stages.models.registry import Architecture
from stages.models.settings import Model
from stages.models.trained import Description, load_classifier, save_classifier
from stages.models.vit import RolloutClassifier
from stages.models.weights import SCRATCH, build_classifier, refuse_unusable
from stages.records.paths import maps_folder, model_folder, split_file
from stages.runtime.errors import InputError
from stages.runtime.params import Params, Task, read_params
from tests.dependencies import REPOSITORY, used_rooms
from tests.parameters import but
from tests.score_records import PX, write_tiles

ARCHITECTURES = {
    "cnn": Architecture("cnn", "test_efficientnet", 8),
    "vit": Architecture("vit", "test_vit", 4, "test_efficientnet", 1),
}


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    real = read_params()
    monkeypatch.chdir(tmp_path)
    methods = Methods(("cam", "gradcam", "occlusion"), ("rollout", "gradcam"))
    given = replace(
        real.read(Explain), batch=2, methods=methods, occlusion=replace(real.read(Explain).occlusion, window_px=8)
    )
    models = {"cnn": Model("cnn", "test_efficientnet", 8), "vit": Model("vit", "test_vit", 4, "test_efficientnet", 1)}
    small = but(real, models=models, explain=given)
    write_tiles(small)
    import pandas as pd

    ids = [f"board.jpg@{x},0" for x in range(8)]
    split_file(small.dataset_name).parent.mkdir(parents=True)
    splits = ["val"] * 4 + ["test"] * 4
    pd.DataFrame({"tile_id": ids, "split": splits}).to_parquet(split_file(small.dataset_name), index=False)
    return small


def write_model(name: str, classes: tuple[str, ...] = ("good", "defective"), spoil: bool = False) -> None:
    import torch

    torch.manual_seed(0)
    task: Task = "binary" if len(classes) == 2 else "multiclass"
    model = build_classifier(ARCHITECTURES[name], PX, neurons=1 if task == "binary" else len(classes))
    if spoil:
        torch.nn.init.constant_(model.head.weight, float("nan"))
    save_classifier(model_folder(name), model, Description(name, ARCHITECTURES[name], PX, task, classes, SCRATCH))


def files(name: str) -> dict[str, bytes]:
    folder = maps_folder(name)
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_all_methods_of_a_family_with_their_geometry_and_the_control(params: Params) -> None:
    params = but(params, explain=replace(params.read(Explain), align=True))
    write_model("cnn")
    assert explain(params, "cnn").startswith("explain cnn: 8 tiles, cam x 1, gradcam x 1, occlusion x 1, cam_random")
    maps = open_maps(maps_folder("cnn"))
    assert list(maps.methods) == ["cam", "gradcam", "occlusion", "cam_randomised"]
    cells = {name: (of.cell_px, of.offset_px, of.values.shape[2:]) for name, of in maps.methods.items()}
    # symmetric padding, three strides of 2: -(1 + 2 + 4) / 2; occlusion has the windows' own grid
    assert cells["cam"] == cells["gradcam"] == cells["cam_randomised"] == (8, -3.5, (2, 2))
    assert cells["occlusion"] == (8, 0, (2, 2))
    ours, control = (maps.methods[name].read(np.arange(8)) for name in ("cam", "cam_randomised"))
    assert not np.allclose(ours, control, rtol=0.1)
    np.testing.assert_allclose(
        maps.methods["gradcam"].read(np.arange(8)), np.maximum(ours, 0) / 4, rtol=1e-2, atol=2e-3 * np.abs(ours).max()
    )

    write_model("vit")
    explain(params, "vit")
    maps = open_maps(maps_folder("vit"))
    assert list(maps.methods) == ["rollout", "gradcam", "rollout_randomised"]
    assert [len(of.names) for of in maps.methods.values()] == [12, 1, 3]
    assert maps.methods["rollout"].offset_px == -1.5 and maps.methods["rollout"].cell_px == 4

    nominal = but(params, explain=replace(params.read(Explain), align=False))
    explain(nominal, "vit")
    assert open_maps(maps_folder("vit")).methods["rollout"].offset_px == 0


def test_views_and_refinement_are_written_with_their_cells(params: Params) -> None:
    pytest.importorskip("kornia")
    given = replace(params.read(Explain), methods=Methods(("cam", "gradcam"), ("rollout",)))
    write_model("cnn")
    explain(but(params, explain=given), "cnn")
    plain = open_maps(maps_folder("cnn"))
    small = Guided(cell_px=2, radius_px=4)
    views = replace(given, flips="all", scales=(1.0, 2.0), refine="guided", guided=small)
    said = explain(but(params, explain=views), "cnn")
    names = ["cam", "gradcam", "cam_guided", "cam_randomised", "cam_guided_randomised", "cam_blur"]
    assert said.endswith("8 tiles, " + ", ".join(f"{name} x 1" for name in names))
    maps = open_maps(maps_folder("cnn"))
    cells = {name: (of.cell_px, of.values.shape[2:]) for name, of in maps.methods.items()}
    assert cells["cam"] == cells["gradcam"] == cells["cam_randomised"] == (4, (4, 4))
    assert cells["cam_guided"] == cells["cam_guided_randomised"] == cells["cam_blur"] == (2, (8, 8))
    assert [name for name, of in maps.methods.items() if of.control] == ["cam_blur"]
    smooth, refined, cam = (maps.methods[name].read(np.arange(8)) for name in ("cam_blur", "cam_guided", "cam"))
    assert (smooth.max((2, 3)) <= cam.max((2, 3)) + 1e-3).all() and not np.allclose(smooth, refined, rtol=0.05)
    assert maps.primary is maps.methods["cam"]
    np.testing.assert_array_equal(maps.index["logit"], plain.index["logit"])  # the classifier is what it was

    write_model("vit")
    explain(but(params, explain=views), "vit")
    of_vit = open_maps(maps_folder("vit")).methods
    assert {name: len(of.names) for name, of in of_vit.items()} == {
        "rollout": 12, "rollout_guided": 12, "rollout_randomised": 3, "rollout_guided_randomised": 3,
        "rollout_blur": 12,
    }  # fmt: skip


def test_several_classes_keep_their_logits(params: Params) -> None:
    write_model("cnn", ("good", "open", "short"))
    explain(params, "cnn")
    maps = open_maps(maps_folder("cnn"))
    logits = np.load(maps_folder("cnn") / "logits.npy")
    assert logits.shape == (8, 3) and np.isfinite(maps.index["logit"]).all()
    cam, model = maps.methods["cam"].read(np.arange(8)), load_classifier(model_folder("cnn"))[0]
    kind = 1 + logits[:, 1:].argmax(1)  # the likeliest defect, also where "good", class 0, is predicted
    expected = logits[np.arange(8), kind] - model.head.bias.detach().numpy()[kind]
    np.testing.assert_allclose(cam.mean((1, 2, 3)), expected, rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize(
    ("methods", "message"),
    [
        (("rollout",), r"methods.cnn has 'rollout', which does not fit a cnn; use cam, gradcam, occlusion"),
        (("cam", "lime"), r"methods.cnn has 'lime', which is no method; use cam, gradcam, occlusion"),
    ],
)
def test_methods_that_do_not_fit_are_refused(params: Params, methods: tuple[str, ...], message: str) -> None:
    write_model("cnn")
    wrong = but(params, explain=replace(params.read(Explain), methods=Methods(methods, ("rollout",))))
    with pytest.raises(InputError, match=message):
        explain(wrong, "cnn")
    assert not Path("data/maps").exists()


def test_a_model_that_is_not_finite_is_named(params: Params) -> None:
    write_model("cnn", spoil=True)
    with pytest.raises(InputError, match=r"data/models/cnn: cam maps or logits are not finite"):
        explain(params, "cnn")
    assert not maps_folder("cnn").exists()


def test_cells_that_cannot_be_placed_are_not_placed_elsewhere_in_silence(
    params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ARCHITECTURES, "cnn", Architecture("cnn", "test_vit", 16))  # features of attention
    write_model("cnn")
    aligned = but(params, explain=replace(params.read(Explain), align=True, methods=Methods(("cam",), ("rollout",))))
    with pytest.raises(InputError, match=r"explain.align is true, but where the cells of cnn lie .*; set it to false$"):
        explain(aligned, "cnn")
    assert not Path("data/maps").exists()
    explain(but(aligned, explain=replace(aligned.read(Explain), align=False)), "cnn")
    assert open_maps(maps_folder("cnn")).primary.offset_px == 0


def test_maps_of_another_shape_are_refused_and_nothing_is_written(
    params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_model("vit")
    real = RolloutClassifier.to_map
    monkeypatch.setattr(RolloutClassifier, "to_map", lambda self, tokens: real(self, tokens).flatten(2)[:, :, None])
    with pytest.raises(InputError, match=rf"^rollout: 1 x 16 cells of 4 px cannot be the map of a tile of {PX} px"):
        explain(params, "vit")
    assert not maps_folder("vit").exists()


@pytest.mark.parametrize(
    ("arch", "px"),
    [("vit_tiny_r_s16_p8_224", 64), ("vit_tiny_r_s16_p8_224", 96), ("vit_small_r26_s32_224", 64)],
)
def test_hybrids_of_timms_own_have_cells(arch: str, px: int) -> None:
    """Stride 4 (a convolution and a pooling) in patches of 8, and stride 32 in patches of 1."""
    import torch

    torch.manual_seed(0)
    architecture = Architecture("vit", arch, None, None, 2)
    refuse_unusable(architecture, px, "here")
    model = build_classifier(architecture, px).eval()
    methods = Methods(("cam",), ("rollout", "gradcam", "gradient_rollout", "attention_gradient", "lrp", "occlusion"))
    real = read_params().read(Explain)
    given = replace(real, methods=methods, occlusion=replace(real.occlusion, stride_px=16))
    images = torch.rand(2, 3, px, px)
    description = Description("hybrid", architecture, px, "binary", ("good", "defective"), SCRATCH)
    planned = prepare_explainers(model, description, given)
    assert [method.cell_px for method in planned] == [32, 32, 32, 32, 32, 16, 32]
    for method in planned[:-1]:
        outputs = method.heatmaps(images, None)
        assert outputs.heatmaps is not None and outputs.heatmaps.shape[2] == px // method.cell_px
        torch.testing.assert_close(outputs.logits, model(images).logits, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("methods", "lower"),
    [
        (("cam",), r"explain.batch \(now 2\)$"),
        (("cam", "occlusion"), r"explain.batch .* or explain.occlusion.batch \(now 128\)$"),
    ],
)
def test_too_little_memory_is_one_line_that_says_what_to_lower(
    params: Params, monkeypatch: pytest.MonkeyPatch, methods: tuple[str, ...], lower: str
) -> None:
    import torch

    write_model("cnn")

    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(CamClassifier, "forward", full)
    small = but(params, explain=replace(params.read(Explain), control=False, methods=Methods(methods, ("rollout",))))
    with pytest.raises(InputError, match=rf"^params.yaml: cpu ran out of memory explaining cnn; lower {lower}"):
        explain(small, "cnn")


def test_an_unfinished_run_is_of_the_code_that_the_stage_runs() -> None:
    assert {*ROOMS} == used_rooms("explain")


KILLED = """
import os, signal, sys
import stages.explain as stage
from stages.heatmaps.new_maps import NewMaps
from stages.runtime.params import read_params

stage.BATCHES_KEPT = 1
commit, write = NewMaps.commit, NewMaps.write

def die(self, method, rows, heatmaps):
    write(self, method, rows, heatmaps)
    if rows[0] == 4:  # in the middle of the third batch
        os.kill(os.getpid(), signal.SIGKILL)

if sys.argv[1] == "die":
    NewMaps.write = die
else:
    NewMaps.write = lambda self, method, rows, heatmaps: (print(rows[0]), write(self, method, rows, heatmaps))
stage.explain(read_params(), "cnn")
"""


def test_killed_and_resumed_gives_the_same_bytes_and_other_params_start_anew(params: Params) -> None:
    write_model("cnn")
    content = yaml.safe_load((REPOSITORY / "params.yaml").read_text(encoding="utf-8"))
    content["explain"] |= {"batch": 2, "methods": {"cnn": ["cam"], "vit": ["rollout"]}}
    content["models"] = {"cnn": {"family": "cnn", "arch": "test_efficientnet", "stride": 8}}
    Path("params.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")

    def run(how: str, code: int = 0) -> list[int]:
        environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
        command = (sys.executable, "-c", KILLED, how)
        finished = subprocess.run(command, env=environment, text=True, capture_output=True)
        assert finished.returncode == code, finished.stderr
        return sorted({int(line) for line in finished.stdout.split()})

    assert run("straight") == [0, 2, 4, 6]
    whole = files("cnn")
    run("die", -signal.SIGKILL)
    assert files("cnn") == whole  # what was there is intact
    assert run("go on") == [4, 6]
    assert files("cnn") == whole
    run("die", -signal.SIGKILL)
    content["explain"]["seed"] = 1
    Path("params.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    assert run("go on") == [0, 2, 4, 6]
    assert not list(Path("data/maps").glob(".*"))
