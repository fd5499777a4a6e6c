"""A copy of the repository that runs in seconds: few small boards, untrained toy models, one epoch."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.dependencies import REPOSITORY
from tests.opened import watch_stages

COPIED = (
    "stages",
    "params.yaml",
    "dvc.yaml",
    ".dvcignore",
    ".gitignore",
    ".dvc/config",
    ".dvc/.gitignore",
    ".dvc/plots",
)
CNN, VIT = "tiny_cnn", "tiny_vit"
CHANGES: dict[str, dict[str, Any]] = {
    "boards": {"designs": 3, "min_defects": 1, "max_defects": 3},
    "tile": {"px": 256, "defect_threshold": 0.002},
    "split": {"train": 0.34, "val": 0.33, "test": 0.33, "good_per_defective": None},
    "model": {"epochs": 1, "warmup_epochs": 0, "frozen_stages": 0, "weights": "none"},
    "models": {
        CNN: {"family": "cnn", "arch": "test_efficientnet.r160_in1k", "stride": 16},
        VIT: {"family": "vit", "arch": "test_vit.r160_in1k"},
    },
    "explain": {
        "fusion": ["min", "mean"],
        "discard": [0.0, 0.9],
        "methods": {"cnn": ["cam", "gradcam"], "vit": ["rollout"]},
        "references": ["nearest_good", "supervised"],  # of which the first is left out: no pre-trained weights
    },
    "perturb": {"tiles": 4, "steps": 2},
    "rank": {"resamples": 100},
    "time": {"warmup": 0, "repeats": 2},
}

WOULD_RUN = """
import json
import networkx
from dvc.repo import Repo
repo = Repo()
changed = set(repo.status()) - {"check"}
graph = repo.index.graph  # arrows from a stage to what it needs
after = {one.addressing for stage in graph if stage.addressing in changed for one in networkx.ancestors(graph, stage)}
print(json.dumps(sorted(changed | after)))
"""


@dataclass(frozen=True)
class Copy:
    """The copy, and the commands that a user types in it."""

    folder: Path
    settings: Path  # of git and DVC: neither the user's nor the machine's

    def run(self, *command: str, code: int = 0) -> str:
        """Run a command, check its exit code, return what it printed."""
        finished = subprocess.run(
            command,
            cwd=self.folder,
            env=self._environment(),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert (finished.returncode == 0) == (code == 0), f"{' '.join(command)}\n{finished.stdout}"
        return finished.stdout

    def dvc(self, *arguments: str, code: int = 0) -> str:
        """Run dvc of the environment that runs the tests."""
        return self.run(sys.executable, "-m", "dvc", *arguments, code=code)

    def would_run(self) -> set[str]:
        """Return the stages that `dvc repro` would run now: those that changed, and all that depend on them.

        Nothing depends on stage check, which writes the same whatever has changed, and which is left out here.
        """
        return set(json.loads(self.run(sys.executable, "-c", WOULD_RUN).splitlines()[-1]))

    def params(self) -> dict[str, Any]:
        """Return the parameters of the copy."""
        return yaml.safe_load((self.folder / "params.yaml").read_text(encoding="utf-8"))

    def change(self, name: str, value: Any) -> None:
        """Change one parameter, given by its dotted name."""
        content = target = self.params()
        *sections, key = name.split(".")
        for section in sections:
            target = target[section]
        target[key] = value
        self.write_params(content)

    def write_params(self, content: dict[str, Any]) -> None:
        """Replace params.yaml."""
        (self.folder / "params.yaml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")

    def commit(self, message: str) -> None:
        """Commit everything that git does not ignore."""
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--message", message)

    def results(self) -> dict[str, bytes]:
        """Return every file that stages made."""
        files = (file for top in ("data", "metrics", "plots") for file in (self.folder / top).rglob("*"))
        return {file.relative_to(self.folder).as_posix(): file.read_bytes() for file in files if file.is_file()}

    def _environment(self) -> dict[str, str]:
        settings = self.settings
        return os.environ | {
            "PATH": os.pathsep.join([str(settings / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]]),
            "GIT_CONFIG_GLOBAL": str(settings / "gitconfig"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "DVC_GLOBAL_CONFIG_DIR": str(settings / "dvc-global"),
            "DVC_SYSTEM_CONFIG_DIR": str(settings / "dvc-system"),
            "DVC_SITE_CACHE_DIR": str(settings / "dvc-cache"),
            "DVC_NO_ANALYTICS": "1",
        }


def small_copy(parent: Path) -> Copy:
    """Make the copy in a new git repository with one commit."""
    settings = parent / "settings"
    copy = Copy(parent / "repository", settings)
    for name in COPIED:
        source, target = REPOSITORY / name, copy.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    settings.mkdir()
    if sys.platform == "linux":
        watch_stages(settings)
    (settings / "gitconfig").write_text("[user]\n\tname = Test\n\temail = test@localhost\n", encoding="utf-8")
    content = copy.params()
    for section, values in CHANGES.items():
        content[section] = values if section == "models" else content[section] | values
    copy.write_params(content)
    copy.run("git", "init", "--quiet")
    copy.commit("a small configuration")
    return copy
