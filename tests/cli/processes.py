"""The command line as a process of its own, for what a test cannot see from inside."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cli.sample_fleet import KEYS

TIMEOUT_SECONDS = 240.0
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "ODDAEMON_CONFIG"} | KEYS


def run_command(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    command = [sys.executable, "-m", "oddaemon", *arguments]
    return subprocess.run(
        command, cwd=cwd, env=ENVIRONMENT | environment, capture_output=True, text=True,
        timeout=TIMEOUT_SECONDS, check=False,
    )  # fmt: skip


def run_command_on_full_disk(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run it to its end, its standard output on a disk that is full."""
    command = [sys.executable, "-m", "oddaemon", *arguments]
    with Path("/dev/full").open("wb") as full:
        return subprocess.run(
            command, cwd=cwd, env=ENVIRONMENT, stdout=full, stderr=subprocess.PIPE, text=True,
            timeout=TIMEOUT_SECONDS, check=False,
        )  # fmt: skip


def run_command_with_broken_pipe(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run it to its end, its standard output a pipe without a reader."""
    command = [sys.executable, "-m", "oddaemon", *arguments]
    reading, writing = os.pipe()
    os.close(reading)
    try:
        return subprocess.run(
            command, cwd=cwd, env=ENVIRONMENT, stdout=writing, stderr=subprocess.PIPE, text=True,
            timeout=TIMEOUT_SECONDS, check=False,
        )  # fmt: skip
    finally:
        os.close(writing)


@contextmanager
def running_command(*arguments: str, output: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run it for the length of the block, its output in a file."""
    with output.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "oddaemon", *arguments], env=ENVIRONMENT, stdout=file, stderr=file
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_for_output(text: str, output: Path, process: subprocess.Popen[bytes]) -> str:
    """The output, once the text is in it; fails if the process ends before."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while text not in (content := output.read_text()):
        assert process.poll() is None, content
        assert time.monotonic() < deadline, content
        time.sleep(0.01)  # another process writes this file: there is nothing to wait on
    return content
