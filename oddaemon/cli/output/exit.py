"""How a command ends: its exit status, which other programs rely on, and one message on standard error.

A full disk under standard output ends any command with one sentence instead of a traceback. A character that the
terminal's encoding lacks is written as an escape. A reader that closes the pipe early, as `head` does, is no error:
Typer ends the command silently.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from io import BufferedWriter, FileIO, TextIOWrapper
from typing import Any

import typer


class ExitStatus(IntEnum):
    """All exit statuses."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NOT_ALL_FRESH = 3
    BAD_CONFIGURATION = 78
    """`EX_CONFIG` of sysexits.h; the systemd unit does not restart after it."""


def flatten_errors(group: ExceptionGroup[Exception]) -> tuple[Exception, ...]:
    """The errors in a group and in the groups within it."""
    found: list[Exception] = []
    for error in group.exceptions:
        found += flatten_errors(error) if isinstance(error, ExceptionGroup) else (error,)
    return tuple(found)


def fail(message: str, status: ExitStatus = ExitStatus.FAILED) -> typer.Exit:
    """Write a message to standard error; the caller raises the result, which ends the command."""
    typer.echo(f"oddaemon: {message}", err=True)
    return typer.Exit(status)


class _GuardedStdout(FileIO):
    """Keeps its first write error, to distinguish it from other errors; discards everything after it."""

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
def guard_stdout() -> Iterator[None]:
    """A write error on standard output within the block ends the process with a message; other errors pass."""
    original = sys.stdout
    if not isinstance(original, TextIOWrapper):  # the parent process closed it
        yield
        return
    original.flush()  # earlier output comes first
    guarded = _GuardedStdout(original.fileno(), "w", closefd=False)
    buffer, line_buffering = BufferedWriter(guarded), original.line_buffering
    # A character that the terminal's encoding lacks, as Latin-1 lacks ✓, must not end a command.
    errors = original.errors if original.encoding == "utf-8" else "backslashreplace"
    sys.stdout = TextIOWrapper(buffer, original.encoding, errors, line_buffering=line_buffering)
    try:
        yield
    except (OSError, ExceptionGroup):
        if guarded.error is None:
            raise
        reason = guarded.error.strerror
        sys.exit(fail(f"cannot write to standard output: {reason}; the output is incomplete").exit_code)
