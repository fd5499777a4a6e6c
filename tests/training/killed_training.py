"""Kill a training again and again, in a project folder: `python -m tests.training.killed_training MODEL KILLS SEED`.

Trains once undisturbed, then in processes that get SIGKILL at random moments, each going on where the last one was.
Whenever one lives to its end its weights must be the undisturbed ones, byte for byte; then it starts anew until there
were as many kills as asked for. The processes are forks of one that has imported everything, so a kill hits the stage
and not Python's start. Prints how often a training went on after a kill.
"""

import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import stages.training.initial
import stages.training.results  # noqa: F401 - before the forks
from stages.runtime.params import read_params
from stages.train import train

WEIGHTS = "model.safetensors"


def start(model: str) -> int:
    """Fork a process that runs the stage; return its id."""
    process = os.fork()
    if process == 0:
        code = 1
        try:
            train(read_params(), model)
            code = 0
        finally:
            os._exit(code)
    return process


def main() -> None:
    """Run it; any difference ends with an assertion."""
    model, kills, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    moments = random.Random(seed)
    weights = Path("data/models") / model / WEIGHTS
    begin = time.monotonic()
    assert os.waitpid(start(model), 0)[1] == 0
    whole_s, undisturbed = time.monotonic() - begin, weights.read_bytes()
    shutil.rmtree(weights.parent)
    done = went_on = finished = 0
    while True:
        unfinished = bool(list(Path("data/checkpoints").glob("*/last.pt")))
        process = start(model)
        if done < kills:
            time.sleep(moments.uniform(0, 0.6 * whole_s))
            os.kill(process, signal.SIGKILL)
        status = os.waitpid(process, 0)[1]
        went_on += unfinished
        if os.WIFSIGNALED(status):
            done += 1
            continue
        assert os.WEXITSTATUS(status) == 0, "a training failed after a kill"
        assert weights.read_bytes() == undisturbed, f"after {done} kills the weights differ"
        assert not list(Path("data/checkpoints").iterdir()), "locks or checkpoints were left behind"
        finished += 1
        if done == kills:
            break
        shutil.rmtree(weights.parent)
    print(f"{done} kills, {went_on} trainings went on, {finished} finished with the same bytes")


if __name__ == "__main__":
    main()
