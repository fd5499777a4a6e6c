"""What a study will take on this device, from what its rehearsal took."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stages.explainers.settings import Time
from stages.faithfulness.settings import Perturb
from stages.runtime.params import Params
from stages.studies.smaller import recipe_of
from stages.training.tuning import Tune
from stages.training.wanted import wants_supervised

PASS_OF_STEP = 1 / 3  # a training step is about three forward passes
GROW = ("tile", "split", "describe", "score")  # stages that take the longer the more tiles there are
GROWING_FOLDERS = ("tiles", "splits", "maps", "scores")
STATES = 6  # weights, their average, the best ones and Adam's two moments beside a model's file, while it is trained


@dataclass(frozen=True)
class Throughput:
    """What a model takes on this device, and how many tiles the rehearsal has for it."""

    train_s: float  # seconds for a tile; one that is validated alone counts as `PASS_OF_STEP`
    explain_s: float  # seconds for a tile, with every method and setting
    gpu_bytes: int  # most memory of the GPU at the largest batch; 0 on a CPU
    epoch_tiles: float  # that an epoch visits, and a third of those that it validates
    explained_tiles: int


@dataclass(frozen=True)
class Run:
    """One stage of a rehearsal, of one model or of all."""

    stage: str
    model: str | None
    seconds: float
    peak_bytes: int  # resident memory

    @property
    def name(self) -> str:
        """As DVC names it."""
        return self.stage if self.model is None else f"{self.stage}@{self.model}"


@dataclass(frozen=True)
class Rehearsed:
    """What was measured.

    Attributes:
        runs: every stage.
        startup_s: seconds until a stage has imported what it needs.
        throughputs: of each model.
        images: how many times as many images the study has.
    """

    runs: Sequence[Run]
    startup_s: float
    throughputs: Mapping[str, Throughput]
    images: float


def stage_seconds(study: Params, rehearsal: Params, rehearsed: Rehearsed) -> dict[str, float]:
    """Return stage -> seconds of the study on this device, all models together and none in parallel.

        tune, train     startup + trials x epochs x tiles of an epoch x images x seconds for a tile
        explain         startup + explained tiles x images x seconds for a tile
        others          startup + (seconds of the rehearsal - startup) x how much more is done

    Downloading is left out: it depends on the network. Epochs in which only the head is trained count as the others,
    pruned trials as whole ones: an upper bound.

    Args:
        study: what it is run with.
        rehearsal: what its rehearsal was run with.
        rehearsed: what was measured.
    """
    more = _more(study, rehearsal)
    trials = study.read(Tune).trials
    trial_epochs = study.read(Tune).epochs
    seconds: dict[str, float] = defaultdict(float)
    for run in rehearsed.runs:
        work = max(run.seconds - rehearsed.startup_s, 0.0)
        if run.model is not None and run.stage in ("tune", "train", "supervise", "explain"):
            of = rehearsed.throughputs[run.model]
            epochs = recipe_of(study, run.model).epochs
            passes = {
                "tune": trials * (trial_epochs or epochs) * of.epoch_tiles * of.train_s,
                "train": epochs * of.epoch_tiles * of.train_s,
                "supervise": wants_supervised(study) * epochs * of.epoch_tiles * of.train_s,
                "explain": of.explained_tiles * of.explain_s,
            }
            work = passes[run.stage] * rehearsed.images
        elif run.stage == "download":
            continue
        else:
            work *= more.get(run.stage, 1.0) * (rehearsed.images if run.stage in GROW else 1.0)
        seconds[run.stage] += min(run.seconds, rehearsed.startup_s) + work
    return dict(seconds)


def _more(study: Params, rehearsal: Params) -> dict[str, float]:
    """Return stage -> its work in the study / in the rehearsal, where that depends on no tiles."""
    whole, small = study.read(Perturb), rehearsal.read(Perturb)
    time, short = study.read(Time), rehearsal.read(Time)
    return {
        "perturb": whole.tiles * (whole.steps + 1) / (small.tiles * (small.steps + 1)),
        "time": (time.warmup + time.repeats) / (short.warmup + short.repeats),
    }


def disk_bytes(folders: Mapping[str, int], largest_model: int, images: float, raw_bytes: int) -> int:
    """Return bytes that the study writes below data/, without the copies of DVC's cache.

    Args:
        folders: name of a folder of data/ -> bytes that the rehearsal wrote.
        largest_model: bytes of the largest weights file: a training keeps a checkpoint of `STATES` such.
        images: how many times as many images the study has.
        raw_bytes: of the data set, where the study downloads it; else 0.
    """
    grown = sum(size * (images if name in GROWING_FOLDERS else 1) for name, size in folders.items())
    return round(grown) + STATES * largest_model + raw_bytes


def in_words(seconds: float) -> str:
    """Return a duration in the two largest units that it has: `3 d 4 h`, `5 h 10 min`, `12 min`, `40 s`."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} d {hours % 24} h"
