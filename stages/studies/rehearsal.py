"""A rehearsal: all stages of a study as dvc.yaml lists them, on a few images, in a temporary copy of the repository.

Not an experiment of DVC (`dvc exp run --temp`): that would need a commit, leave its results in cache and list, and tell
nothing of seconds and memory. The copy has the code, params.yaml with the study's overrides, and its own data/; what
the user has is only read.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from stages.records.files import read_json
from stages.records.paths import model_folder, raw_folder, split_file
from stages.runtime.errors import InputError
from stages.runtime.params import Params, read_params
from stages.studies.estimate import Rehearsed, Run, Throughput, disk_bytes, in_words, stage_seconds
from stages.studies.scratch import bytes_below, copy_repository, environment, run_stage, seconds_of, write_params
from stages.studies.smaller import first_images, smaller, train_tiles_wanted

PER_DATA_SET = ("download", "tile", "split")
STARTUP = "import cv2, pandas, timm, torch"


def rehearse(name: str, said: Sequence[str]) -> str:
    """Run all stages of a study on a few images, each in a line; return what the study itself will take here.

    Args:
        name: of the study.
        said: what each `-S` says, the study's and the user's.

    Raises:
        InputError: a stage fails, or the data set is not at hand.
    """
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="defectlens-") as temporary:
        folder = Path(temporary)
        copy_repository(folder)
        study = _study_params(folder, said)
        write_params(folder, study.content)
        run_stage(folder, "check", None)  # the study's own parameters, before anything is made smaller
        content = smaller(study, _said_by(folder, "weights_at_hand").__getitem__)
        runs = _run_all(folder, name, content)
        startup_s = seconds_of(folder, [sys.executable, "-c", STARTUP])
        throughputs = {model: Throughput(**said) for model, said in _said_by(folder, "throughput").items()}
        source = read_json(folder / raw_folder(study.dataset_name) / "SOURCE.json")
        rehearsal = read_params(folder / "params.yaml")
        used = rehearsal.value("dataset.images", int)
        whole = _all_images(study, source)
        rehearsed = Rehearsed(runs, startup_s, throughputs, whole / min(used, source["images"]))
        tiles = len(_splits(folder, study.dataset_name))
        seconds = stage_seconds(study, rehearsal, rehearsed)
        folders = {path.name: bytes_below(path) for path in (folder / "data").iterdir()}
        largest = max(bytes_below(folder / model_folder(model)) for model in study.models)
        fetched = 0 if study.get("dataset")["root"] or source["origin"] != "local copy" else source["bytes"]
        disk = disk_bytes(folders, largest, rehearsed.images, fetched)
    return "\n".join(
        [
            f"rehearsal of {name}: {len(runs)} stages in {in_words(time.perf_counter() - begun)}; "
            f"{min(used, source['images'])} of {whole} images, {tiles} tiles",
            *_study_lines(seconds, rehearsed, tiles, disk),
        ]
    )


def _study_lines(seconds: dict[str, float], rehearsed: Rehearsed, tiles: int, disk: int) -> list[str]:
    longest = sorted(seconds, key=lambda stage: -seconds[stage])[:3]
    parts = ", ".join(f"{stage} {in_words(seconds[stage])}" for stage in longest)
    memory = max(rehearsed.runs, key=lambda run: run.peak_bytes)
    gpu = max(of.gpu_bytes for of in rehearsed.throughputs.values())
    speeds = [
        f"  {model}: {1 / of.train_s:.3g} tiles a second trained, {1 / of.explain_s:.3g} explained"
        for model, of in rehearsed.throughputs.items()
    ]
    return [
        f"the study on this device: about {tiles * rehearsed.images:.0f} tiles, "
        f"{in_words(sum(seconds.values()))} ({parts}), downloads apart; measured:",
        *speeds,
        f"disk: {disk / 1e9:.1f} GB below data/, as much again in DVC's cache; "
        f"memory: {memory.peak_bytes / 1e9:.1f} GB ({memory.name})"
        + (f", {gpu / 1e9:.1f} GB of the GPU" if gpu else ""),
    ]


def _study_params(folder: Path, said: Sequence[str]) -> Params:
    """Return params.yaml with what every `-S` says, as DVC itself understands it; `dataset.root` absolute or null.

    Raises:
        InputError: DVC refuses one.
    """
    from dvc.exceptions import DvcException
    from dvc.utils.hydra import apply_overrides

    try:
        apply_overrides(folder / "params.yaml", list(said))
    except DvcException as error:
        reason = " ".join(f"{error}: {error.__cause__ or ''}".split())
        raise InputError(reason) from None
    params = read_params(folder / "params.yaml")
    root = params.get("dataset")["root"]
    if root is not None:
        params.get("dataset")["root"] = str(Path(root).expanduser().resolve())
    return params


def _run_all(folder: Path, name: str, content: dict[str, Any]) -> list[Run]:
    """Write the rehearsal's params.yaml and run all stages; return what each took.

    Begins with few images, and takes half as many again as long as a split lacks a class or a batch its tiles.
    """
    dataset = content["dataset"]
    if dataset["root"] is None:
        dataset["root"] = _downloaded(dataset["name"], name)
    params = Params(content)
    pipeline = yaml.safe_load((folder / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    images = first_images(params)
    write_params(folder, content)
    checked = run_stage(folder, "check", None)
    while True:
        why = "too few train tiles for a batch"
        dataset["images"] = images
        write_params(folder, content)
        try:
            runs = [checked, *(run_stage(folder, stage, None) for stage in PER_DATA_SET)]
            enough = (_splits(folder, params.dataset_name) == "train").sum() >= train_tiles_wanted(params)
        except InputError as error:
            source = folder / raw_folder(params.dataset_name) / "SOURCE.json"
            if not source.is_file() or images >= read_json(source)["images"]:
                raise
            enough, why = False, str(error)
        there = read_json(folder / raw_folder(params.dataset_name) / "SOURCE.json")["images"]
        if enough or images >= there:
            break
        images = min(images * 3 // 2, there)
        print(f"{why}; again with {images} images", flush=True)
    for stage in pipeline:
        if stage not in ("check", *PER_DATA_SET):
            of = list(params.models) if "foreach" in pipeline[stage] else [None]
            runs += [run_stage(folder, stage, model) for model in of]
    return runs


def _downloaded(dataset: str, study: str) -> str | None:
    """Return the folder of an earlier download; None for a data set that needs none.

    Raises:
        InputError: it would have to be fetched as a whole first.
    """
    from stages.datasets.sources import find_source

    source = find_source(dataset)
    if source.generated or source.package:
        return None
    here = raw_folder(dataset)
    if not (here / "SOURCE.json").is_file():
        raise InputError(f"a rehearsal of {study} needs the data set {dataset}: -S dataset.root=/path/to/it")
    return str(here.resolve())


def _all_images(study: Params, source: dict[str, Any]) -> int:
    """Return how many images the study has: those of generated boards are as many as are to be drawn."""
    boards = study.get("boards")
    drawn = source["origin"] == "generated"
    return source["images"] * boards["designs"] // source["parameters"]["designs"] if drawn else source["images"]


def _splits(folder: Path, dataset: str) -> Any:
    import pandas as pd

    return pd.read_parquet(folder / split_file(dataset))["split"]


def _said_by(folder: Path, module: str) -> dict[str, Any]:
    """Return the JSON that a module of this room prints there: a process of its own, so that this one stays small.

    A process that is started counts the memory of the one that starts it as its own, until it has more.
    """
    command = [sys.executable, "-m", f"stages.studies.{module}"]
    finished = subprocess.run(
        command, cwd=folder, env=environment(folder), stdout=subprocess.PIPE, text=True, check=False
    )
    if finished.returncode:
        raise InputError(f"the rehearsal's stages.studies.{module} ended with exit code {finished.returncode}")
    said: dict[str, Any] = json.loads(finished.stdout.splitlines()[-1])
    return said
