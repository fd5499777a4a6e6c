"""The training engine: one device or many, one machine or many, float32 or bfloat16, by Lightning Fabric.

Fabric and not Accelerate: it starts the processes of one machine itself from the plain command of the stage, takes
those that torchrun or SLURM started on several, keeps the loop ours, and needs no configuration file. With one process
on a CPU in float32 it changes no operation, so weights are those of a bare PyTorch loop bit for bit.

Several processes split each batch, so that the effective batch, the order of tiles and the mean loss stay the same:
the model is that of one process within float tolerance. Not so for batch normalisation, whose statistics come from
the tiles that one process sees at once (in training: batch / (processes * accumulate)).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from lightning_fabric import Fabric
from torch import nn

from stages.runtime.errors import InputError, TrainingFailed, is_out_of_memory
from stages.training.settings import Training
from stages.training.steps import tiles_at_once

Result = TypeVar("Result")
PRECISIONS = {32: "32-true", "bf16": "bf16-mixed"}


def start_engine(device: torch.device, precision: int | str = 32, devices: int = 1, nodes: int = 1) -> Fabric:
    """Start the engine; with `devices` > 1 the stage's own command is started again for each further process.

    Args:
        device: what to compute on; `cuda:N` takes that GPU alone, so it goes with one device.
        precision: 32, or "bf16": float32 weights, most operations in bfloat16 (autocast).
        devices: processes on each machine: GPUs, or processes on the CPU.
        nodes: machines. On more than one the processes are started by torchrun or SLURM.

    Raises:
        InputError: the machine has not as many devices, or the launcher started another number of processes.
    """
    if devices > 1 and device.type == "cuda" and (device.index is not None or devices > torch.cuda.device_count()):
        raise InputError(
            f"params.yaml: runtime.devices is {devices}; this machine has {torch.cuda.device_count()} GPUs, "
            f"and runtime.device is {device} (use cuda for several)"
        )
    # Fabric's generic names: an index picks one GPU, otherwise a count takes the first so many.
    which: list[int] | int = [device.index] if device.type == "cuda" and device.index is not None else devices
    try:
        fabric = Fabric(
            accelerator=device.type,
            devices=which,
            num_nodes=nodes,
            strategy="ddp" if devices * nodes > 1 else "auto",
            precision=PRECISIONS[precision],  # type: ignore[arg-type]
        )
        fabric.launch()
    except ValueError as error:  # torchrun's or SLURM's number of processes is another
        raise InputError(f"params.yaml: runtime.devices, runtime.nodes: {' '.join(str(error).split())}") from None
    return fabric


def in_first_process(fabric: Fabric, work: Callable[[], Result]) -> Result:
    """Run `work` in the first process alone; return its result, or raise its `InputError`, in all of them."""
    result: Result | InputError | None = None
    if fabric.is_global_zero:
        try:
            result = work()
        except InputError as error:
            result = error
    result = fabric.broadcast(result)
    if isinstance(result, InputError):
        raise result
    return result  # type: ignore[return-value]


def copy_buffers_of_first(fabric: Fabric, model: nn.Module) -> None:
    """Give all processes the first one's buffers: each has running statistics of its own share."""
    if fabric.world_size == 1:
        return
    buffers = list(model.buffers())
    for mine, first in zip(buffers, fabric.broadcast([buffer.cpu() for buffer in buffers]), strict=True):
        mine.copy_(first)


@contextmanager
def memory_advice(title: str, training: Training, processes: int, least: int) -> Iterator[None]:
    """Turn running out of memory into a `TrainingFailed` that says which parameter to change.

    Args:
        title: of what runs.
        training: its recipe.
        processes: that share each batch.
        least: tiles that a micro-batch must have.
    """
    at_once = tiles_at_once(training, processes)
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        most = training.batch // (least * processes)
        if training.accumulate < most:
            advice = (
                f"raise accumulate (now {training.accumulate}, at most {most}), which keeps the effective batch, or "
                f"lower batch (now {training.batch}) or tile.px"
            )
        else:
            advice = f"no fewer than {at_once} tiles at a time can be; lower tile.px or use a smaller model"
        raise TrainingFailed(f"params.yaml: out of memory in {title}; {advice}") from None
