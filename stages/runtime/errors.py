"""Errors that end in one clear line: those that a user can cause, and memory that ran out."""


class InputError(Exception):
    """Something the user gave cannot be used.

    The message is one line that names the file or parameter and says what to do about it. Stages print it without a
    traceback and exit with code 2 (see `stages.runtime.command`).
    """


class TrainingFailed(InputError):
    """Learning rate and batch do not train on this machine: the loss is not finite, or memory runs out.

    A search counts that as the outcome of one trial and goes on; every other `InputError` ends it.
    """


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that memory ran out, of the machine or of a GPU."""
    # by its name, so that stages without torch need not import it; torch's CPU allocator raises a plain RuntimeError
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or "can't allocate memory" in str(error)
    )
