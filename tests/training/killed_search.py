"""Kill searches: `python -m tests.training.killed_search alone <kills> | together` in a folder of projects.

alone: the model `cnn` of the project here is searched undisturbed, then with SIGKILL as soon as a trial has an epoch
behind it, again and again; in the end the results must be the undisturbed ones, byte for byte.
together: the projects a and b search at once in one database; then, under another seed, once more, where the process of
a is killed in the middle of a trial. Both must find the same, as many trials as asked for, each begun by one of them.

The processes are forks of one that has imported everything.
"""

import os
import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import yaml

import stages.training.search  # noqa: F401 - before the forks
from stages.runtime.params import read_params
from stages.training.tuning import Tune
from stages.tune import tune

RESULTS = ("metrics/tune/cnn.json", "plots/tune/cnn.csv")


def start(folder: str = ".") -> int:
    """Fork a process that searches in a project; return its id."""
    process = os.fork()
    if process == 0:
        code = 1
        try:
            os.chdir(folder)
            with Path("stderr").open("a") as stderr:
                os.dup2(stderr.fileno(), 2)
            tune(read_params(), "cnn")
            code = 0
        finally:
            os._exit(code)
    return process


def ends_well(process: int) -> bool:
    """Wait for a process and return whether it came to its end."""
    return os.waitpid(process, 0)[1] == 0


def kill_in_a_trial(process: int, folder: str = ".") -> bool:
    """Kill a process once a trial of it has an epoch more behind it; return whether it did not end before."""
    begun_ns = time.time_ns()
    while not any(written_ns > begun_ns for written_ns in epochs_ns(folder)):
        if os.waitpid(process, os.WNOHANG)[0]:
            return False
        time.sleep(0.002)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    return bool(epochs_ns(folder))  # else the trial ended just then


def epochs_ns(folder: str) -> list[int]:
    """Return when the states of unfinished trainings were written; a state goes when its training ends."""
    found = []
    for path in Path(folder, "data/checkpoints").glob("*/last.pt"):
        with suppress(FileNotFoundError):
            found.append(path.stat().st_mtime_ns)
    return found


def results(folder: str = ".") -> list[bytes]:
    """Return what the stage wrote."""
    return [Path(folder, name).read_bytes() for name in RESULTS]


def trials(folder: str) -> list[str]:
    """Return the trials that ended in the process of a project, as it said."""
    return [
        line.split()[2] for line in Path(folder, "stderr").read_text().splitlines() if line.startswith("cnn: trial ")
    ]


def alone(kills: int) -> None:
    """See above."""
    assert ends_well(start())
    undisturbed = results()
    done = 0
    while done < kills:
        for folder in ("data/tune", "metrics/tune", "plots/tune"):
            shutil.rmtree(folder)
        process = start()
        while done < kills and kill_in_a_trial(process):
            done += 1
            process = start()
        assert ends_well(process)
        assert results() == undisturbed, "a killed search found something else"
    print(f"{done} kills in the middle of a trial, and in the end the same bytes")


def together() -> None:
    """See above."""
    count = read_params(Path("a/params.yaml")).read(Tune).trials
    first, second = start("a"), start("b")
    assert ends_well(first) and ends_well(second)
    assert results("a") == results("b")
    assert sorted(trials("a") + trials("b")) == [str(number) for number in range(1, count + 1)]
    assert trials("a") and trials("b"), "one process did all"
    print(f"{count} trials in two processes: {len(trials('a'))} and {len(trials('b'))}")

    for folder in ("a", "b"):
        content = yaml.safe_load(Path(folder, "params.yaml").read_text())
        content["tune"]["seed"] += 1
        Path(folder, "params.yaml").write_text(yaml.safe_dump(content))
        Path(folder, "stderr").unlink()
    first, second = start("a"), start("b")
    assert kill_in_a_trial(first, "a"), "the process ended before it could be killed"
    assert ends_well(second)
    assert sorted(trials("a") + trials("b")) == [str(number) for number in range(1, count + 1)]
    before = trials("a")
    assert ends_well(start("a")) and results("a") == results("b") and trials("a") == before, "searched once more"
    print(f"{count} trials though one was killed")


if __name__ == "__main__":
    alone(int(sys.argv[2])) if sys.argv[1] == "alone" else together()
