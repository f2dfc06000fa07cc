"""`top` in a real terminal, from its first screen to the terminal as it was before."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.cli.processes import ENVIRONMENT, TIMEOUT_SECONDS
from tests.cli.sample_fleet import SampleFleet

pytestmark = pytest.mark.real("starts a process at a terminal of its own")

COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-7][;m]")


class Terminal:
    """One of 24 lines with a program in it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.output = ""

    def wait_for(self, text: str) -> str:
        """All that was written, once the text is in it."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while text not in self.output:
            ready, _, _ = select.select([self._descriptor], [], [], deadline - time.monotonic())
            assert ready, self.output
            self.output += os.read(self._descriptor, 65_536).decode(errors="replace")
        return self.output

    def press(self, keys: str) -> None:
        os.write(self._descriptor, keys.encode())


@contextmanager
def terminal(fleet: SampleFleet, **environment: str) -> Iterator[tuple[Terminal, "subprocess.Popen[bytes]"]]:
    outer, inner = pty.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    before = termios.tcgetattr(inner)
    command = [sys.executable, "-m", "oddaemon", "top", "--config", str(fleet.config), "-d", "3600"]
    usual = {name: value for name, value in ENVIRONMENT.items() if name not in {"NO_COLOR", "COLUMNS", "LINES"}}
    process = subprocess.Popen(
        command, stdin=inner, stdout=inner, stderr=inner, env={**usual, "TERM": "xterm-256color", **environment}
    )
    try:
        yield Terminal(outer), process
        assert process.wait(TIMEOUT_SECONDS) == 0
        assert termios.tcgetattr(inner) == before, "the terminal is as it was"
    finally:
        process.kill()
        process.wait()
        os.close(outer)
        os.close(inner)


@pytest.mark.parametrize("keys", ["q", "\x1bq", "\x03"], ids=["q", "Esc and q", "Ctrl-C"])
def test_it_shows_the_fleet_until_it_is_quit(fleet: SampleFleet, keys: str) -> None:
    with terminal(fleet) as (screen, process):
        output = screen.wait_for("q quit")
        assert "hill-street" in output
        assert COLOUR.search(output)
        if keys == "\x03":
            # The terminal would send a signal to the foreground process, which does not exist here.
            process.send_signal(2)
        else:
            screen.press(keys)
        screen.wait_for("\x1b[?1049l")


def test_keys_are_obeyed_at_once_and_no_color_is_respected(fleet: SampleFleet) -> None:
    with terminal(fleet, NO_COLOR="1") as (screen, _):
        output = screen.wait_for("q quit")
        assert "1-4 of 4" in output
        screen.press("/hill")
        screen.wait_for("/ hill▏")
        screen.press("\r")
        screen.wait_for("1-1 of 1   search: hill")
        screen.press("q")
        assert not COLOUR.search(screen.wait_for("\x1b[?1049l"))


def test_what_is_typed_before_the_first_screen_counts(fleet: SampleFleet) -> None:
    with terminal(fleet) as (screen, _):
        screen.press("/hill")
        screen.wait_for("/ hill▏")
        screen.press("\rq")
        screen.wait_for("\x1b[?1049l")
