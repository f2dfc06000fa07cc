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

from tests.cli.processes import ENVIRONMENT, PATIENCE_SECONDS
from tests.cli.sample_fleet import SampleFleet

pytestmark = pytest.mark.real("starts a process at a terminal of its own")

COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-7][;m]")


class Terminal:
    """One of 24 lines with a program in it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.said = ""

    def until(self, text: str) -> str:
        """All that was written, once the text is in it."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while text not in self.said:
            ready, _, _ = select.select([self._descriptor], [], [], deadline - time.monotonic())
            assert ready, self.said
            self.said += os.read(self._descriptor, 65_536).decode(errors="replace")
        return self.said

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
        assert process.wait(PATIENCE_SECONDS) == 0
        assert termios.tcgetattr(inner) == before, "the terminal is as it was"
    finally:
        process.kill()
        process.wait()
        os.close(outer)
        os.close(inner)


@pytest.mark.parametrize("keys", ["q", "\x1bq", "\x03"], ids=["q", "Esc and q", "Ctrl-C"])
def test_it_shows_the_fleet_until_somebody_has_seen_enough(fleet: SampleFleet, keys: str) -> None:
    with terminal(fleet) as (screen, process):
        said = screen.until("q quit")
        assert "hill-street" in said
        assert COLOUR.search(said)
        if keys == "\x03":
            # The terminal would turn it into a signal for whoever is in the foreground, which here is nobody.
            process.send_signal(2)
        else:
            screen.press(keys)
        screen.until("\x1b[?1049l")


def test_keys_are_obeyed_at_once_and_no_color_is_respected(fleet: SampleFleet) -> None:
    with terminal(fleet, NO_COLOR="1") as (screen, _):
        said = screen.until("q quit")
        assert "1-4 of 4" in said
        screen.press("/hill")
        screen.until("/ hill▏")
        screen.press("\r")
        screen.until("1-1 of 1   search: hill")
        screen.press("q")
        assert not COLOUR.search(screen.until("\x1b[?1049l"))


def test_what_is_typed_before_the_first_screen_counts(fleet: SampleFleet) -> None:
    with terminal(fleet) as (screen, _):
        screen.press("/hill")
        screen.until("/ hill▏")
        screen.press("\rq")
        screen.until("\x1b[?1049l")
