"""The command line on a terminal: its output, and typed answers to its prompts."""

import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from tests.cli.processes import ENVIRONMENT, TIMEOUT_SECONDS

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


def run_in_terminal(arguments: Iterable[str], answers: Iterable[tuple[str, str]], cwd: Path) -> tuple[int, str]:
    """Run a command and answer each question as it comes.

    Args:
        arguments: Of the command.
        answers: Part of a question, and what is typed then.
        cwd: Where it runs.

    Returns:
        Its exit status, and all that stood on the screen.
    """
    screen, terminal = pty.openpty()
    environment = {**ENVIRONMENT, "TERM": "xterm", "COLUMNS": "100", "NO_COLOR": "1"}
    command = [sys.executable, "-m", "oddaemon", *arguments]
    process = subprocess.Popen(command, cwd=cwd, env=environment, stdin=terminal, stdout=terminal, stderr=terminal)
    os.close(terminal)
    try:
        output, position = "", 0
        for prompt, answer in answers:
            while prompt not in output[position:]:
                more = _read(screen)
                assert more, f"{prompt!r} was never asked:\n{output}"
                output += more
            position = len(output)
            os.write(screen, f"{answer}\n".encode())
        while more := _read(screen):
            output += more
        return process.wait(TIMEOUT_SECONDS), _CONTROL.sub("", output)
    finally:
        process.kill()
        process.wait()
        os.close(screen)


def _read(screen: int) -> str:
    """What comes next; empty at the end."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    ready, _, _ = select.select([screen], [], [], deadline - time.monotonic())
    assert ready, "nothing comes any more"
    try:
        return os.read(screen, 65_536).decode(errors="replace")
    except OSError:
        return ""
