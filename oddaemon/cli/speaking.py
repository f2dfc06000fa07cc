"""Standard output that takes nothing any more, as a full disk does: for all commands one sentence, and no traceback.

Neither does one that has no such sign: what its encoding lacks is written in another way.
A reader who has heard enough, as `| head` has, is no trouble: Typer ends the command without a word.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedWriter, FileIO, TextIOWrapper
from typing import Any

from oddaemon.cli.failing import failure


class _Voice(FileIO):
    """Knows that it failed, so that this error is told from all others; what is said after it goes nowhere."""

    error: OSError | None = None

    def write(self, data: Any, /) -> int:  # noqa: ANN401 - any buffer, which Python 3.11 cannot name
        if self.error is not None:
            return len(data)
        try:
            return super().write(data)
        except OSError as error:
            self.error = error
            raise


@contextmanager
def speaking() -> Iterator[None]:
    """Within the block standard output may fail: the process ends with a sentence. Every other error passes."""
    plain = sys.stdout
    if not isinstance(plain, TextIOWrapper):  # it was closed by whoever started us
        yield
        return
    plain.flush()  # what was said before comes before
    voice = _Voice(plain.fileno(), "w", closefd=False)
    buffer, line_buffering = BufferedWriter(voice), plain.line_buffering
    # A sign that the terminal's encoding lacks, as Latin-1 lacks ✓, is written as its number; it ends no command.
    errors = plain.errors if plain.encoding == "utf-8" else "backslashreplace"
    sys.stdout = TextIOWrapper(buffer, plain.encoding, errors, line_buffering=line_buffering)
    try:
        yield
    except (OSError, ExceptionGroup):
        if voice.error is None:
            raise
        why = voice.error.strerror
        sys.exit(failure(f"standard output takes no more: {why}; what is there is not whole.").exit_code)
