"""What happens to an image whose files are wrong: the stage stops, or the image is left out, counted and reported."""

import sys

from stages.runtime.errors import InputError


class BadFiles:
    """Decides about bad files in one place (`dataset.on_bad_file: error | skip`) and remembers those left out.

    Attributes:
        skipped: one {"file", "reason"} for each image left out, in the order in which they were refused.
        notes: one line for each thing that a reader decided about the whole data set and the user should know.
    """

    def __init__(self, skip: bool = False, rename: tuple[str, str] | None = None) -> None:
        """Make one.

        Args:
            skip: leave bad files out instead of stopping.
            rename: the folder that files are read in, and the name that it will have when the stage is done.
        """
        self._skip = skip
        self._rename = rename
        self.skipped: list[dict[str, str]] = []
        self.notes: list[str] = []

    def refuse(self, error: InputError, file: str) -> None:
        """Raise the error, or under `skip` note that the image `file` is left out, with one warning line on stderr.

        Raises:
            InputError: the one given, unless bad files are to be skipped.
        """
        if not self._skip:
            raise error
        reason = str(error).replace(*self._rename) if self._rename else str(error)
        self.skipped.append({"file": file, "reason": reason})
        print(f"warning: left out {file}: {reason}", file=sys.stderr)

    def note(self, text: str) -> None:
        """Keep a line for the user; the same one is kept once."""
        if text not in self.notes:
            self.notes.append(text)
