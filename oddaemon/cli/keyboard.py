"""Keys as they are pressed, without Enter; where the input is no terminal, nobody presses any."""

import os
import select
import sys
import termios
import time
import tty
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

NAMES: Mapping[bytes, str] = {
    b"\x1b[A": "up",
    b"\x1b[B": "down",
    b"\x1bOA": "up",
    b"\x1bOB": "down",
    b"\x1b[5~": "page up",
    b"\x1b[6~": "page down",
    b"\x1b[H": "home",
    b"\x1b[F": "end",
    b"\x1b[1~": "home",
    b"\x1b[4~": "end",
    b"\x1b": "escape",
    b"\r": "enter",
    b"\n": "enter",
    b"\x7f": "backspace",
    b"\x08": "backspace",
}
BYTES_MAX = 16
"""Of one key: a sequence comes whole."""


class Keys:
    """Waits for keys on a terminal; None: there is none, so it only waits."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor

    def next(self, seconds: float) -> str | None:
        """The next key by its name or character; None: none was pressed within this time."""
        if self._descriptor is None:
            time.sleep(max(0.0, seconds))
            return None
        if not select.select([self._descriptor], [], [], max(0.0, seconds))[0]:
            return None
        pressed = os.read(self._descriptor, BYTES_MAX)
        if not pressed:
            # The terminal is gone: nobody is there to see anything.
            return "q"
        return NAMES.get(pressed, pressed.decode(errors="ignore")[:1])


@contextmanager
def keyboard() -> Iterator[Keys]:
    """Keys of standard input for the length of the block; the terminal is afterwards as it was."""
    descriptor = sys.stdin.fileno()
    if not os.isatty(descriptor):
        yield Keys(None)
        return
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        yield Keys(descriptor)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
