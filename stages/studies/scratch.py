"""A temporary copy of the repository that stages run in, and what each takes there."""

import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml

from stages.runtime.errors import InputError
from stages.studies.estimate import Run

COPIED = ("stages", "params.yaml", "dvc.yaml", ".dvc/config", ".dvc/plots", ".dvcignore")
STDERR = "stderr.txt"  # of the stage that runs, or ran last
KIB = 1 if sys.platform == "darwin" else 1024  # of what the system counts resident memory in


def copy_repository(folder: Path) -> None:
    """Copy what stages read besides data into an empty folder, as a repository of DVC without git."""
    for name in COPIED:
        source, target = Path(name), folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copy(source, target)
    (folder / ".dvc" / "config.local").write_text("[core]\n    no_scm = true\n", encoding="utf-8")


def run_stage(folder: Path, stage: str, model: str | None) -> Run:
    """Run a stage as dvc.yaml does and print its line, with its seconds and memory.

    Raises:
        InputError: it fails; with the last line that it wrote to stderr.
    """
    entry = yaml.safe_load((folder / "dvc.yaml").read_text(encoding="utf-8"))["stages"][stage]
    words = shlex.split(entry.get("do", entry)["cmd"].replace("${key}", model or ""))
    command = [sys.executable, *words[1:]]  # the environment's own python
    begun = time.perf_counter()
    with (folder / STDERR).open("w") as stderr:
        process = subprocess.Popen(
            command, cwd=folder, env=environment(folder), stdout=subprocess.PIPE, stderr=stderr, text=True
        )
        assert process.stdout is not None
        with process.stdout as printed:
            line = printed.read().strip()
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    run = Run(stage, model, time.perf_counter() - begun, usage.ru_maxrss * KIB)
    if process.returncode:
        said = (folder / STDERR).read_text(encoding="utf-8").strip().splitlines() or [f"exit code {process.returncode}"]
        raise InputError(f"rehearsal, stage {run.name}: {said[-1].removeprefix('error: ')}")
    print(f"{run.seconds:7.1f} s {run.peak_bytes / 1e9:5.1f} GB  {line}", flush=True)
    return run


def seconds_of(folder: Path, command: list[str]) -> float:
    """Return how long a command takes there."""
    begun = time.perf_counter()
    subprocess.run(command, cwd=folder, env=environment(folder), check=True)
    return time.perf_counter() - begun


def environment(folder: Path) -> dict[str, str]:
    """Return the variables that stages run with there."""
    return os.environ | {"DVC_ROOT": str(folder), "PYTHONPATH": str(folder)}


def write_params(folder: Path, content: Any) -> None:
    """Replace params.yaml."""
    (folder / "params.yaml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def bytes_below(folder: Path) -> int:
    """Return the bytes of all files below a folder, or of a file."""
    files = folder.rglob("*") if folder.is_dir() else [folder]
    return sum(file.stat().st_size for file in files if file.is_file())
