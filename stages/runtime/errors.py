"""The one error that a user can cause, and the rule that it ends in one clear line."""


class InputError(Exception):
    """Something the user gave cannot be used.

    The message is one line that names the file or parameter and says what to do about it. Stages print it without a
    traceback and exit with code 2 (see `stages.runtime.command`).
    """


class TrainingFailed(InputError):
    """Learning rate and batch do not train on this machine: the loss is not finite, or memory runs out.

    A search counts that as the outcome of one trial and goes on; every other `InputError` ends it.
    """
