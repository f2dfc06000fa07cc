"""What the process tells its caller: a contract, other programs branch on it.

How a command ends when it cannot do what it was asked: a message on standard error and a status, no traceback.

Standard output that takes nothing any more, as a full disk does: for all commands one sentence, and no traceback.

Neither does one that has no such sign: what its encoding lacks is written in another way.
A reader who has heard enough, as `| head` has, is no trouble: Typer ends the command without a word.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from importlib.util import find_spec
from io import BufferedWriter, FileIO, TextIOWrapper
from typing import Any

import typer


class ExitStatus(IntEnum):
    """The exit statuses, all of them."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NOT_ALL_FRESH = 3
    BAD_CONFIGURATION = 78
    """`EX_CONFIG` of sysexits.h; systemd is told not to start again after it."""


def flatten_errors(group: ExceptionGroup[Exception]) -> tuple[Exception, ...]:
    """The errors that a group comes down to; task groups nest."""
    found: list[Exception] = []
    for error in group.exceptions:
        found += flatten_errors(error) if isinstance(error, ExceptionGroup) else (error,)
    return tuple(found)


def fail(message: str, status: ExitStatus = ExitStatus.FAILED) -> typer.Exit:
    """Say on standard error what is wrong; whoever calls raises what comes back, which ends the command."""
    typer.echo(f"oddaemon: {message}", err=True)
    return typer.Exit(status)


def require_simulator(command: str) -> None:
    """End the command if the packages of the simulator are not installed."""
    if find_spec("sqlglot") is None:
        raise fail(f"`{command}` needs sqlglot, which is not installed. Run: pip install 'oddaemon[simulator]'")


class _GuardedStdout(FileIO):
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
def guard_stdout() -> Iterator[None]:
    """Within the block standard output may fail: the process ends with a sentence. Every other error passes."""
    original = sys.stdout
    if not isinstance(original, TextIOWrapper):  # it was closed by whoever started us
        yield
        return
    original.flush()  # what was said before comes before
    guarded = _GuardedStdout(original.fileno(), "w", closefd=False)
    buffer, line_buffering = BufferedWriter(guarded), original.line_buffering
    # A sign that the terminal's encoding lacks, as Latin-1 lacks ✓, is written as its number; it ends no command.
    errors = original.errors if original.encoding == "utf-8" else "backslashreplace"
    sys.stdout = TextIOWrapper(buffer, original.encoding, errors, line_buffering=line_buffering)
    try:
        yield
    except (OSError, ExceptionGroup):
        if guarded.error is None:
            raise
        reason = guarded.error.strerror
        sys.exit(fail(f"standard output takes no more: {reason}; what is there is not whole.").exit_code)
