"""Keys as they are pressed, without Enter; where the input is no terminal, nobody presses any."""

import os
import re
import select
import signal
import sys
import termios
import time
import tty
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

KEY_NAMES: Mapping[str, str] = {
    "\x1b[A": "up",
    "\x1b[B": "down",
    "\x1bOA": "up",
    "\x1bOB": "down",
    "\x1b[5~": "page up",
    "\x1b[6~": "page down",
    "\x1b[H": "home",
    "\x1b[F": "end",
    "\x1b[1~": "home",
    "\x1b[4~": "end",
    "\x1b": "escape",
    "\r": "enter",
    "\n": "enter",
    "\x7f": "backspace",
    "\x08": "backspace",
}
READ_BYTES_MAX = 64
"""At one look: whoever types fast, or pastes, has pressed several keys."""
_KEY_PATTERN = re.compile(
    "|".join(re.escape(each) for each in sorted(KEY_NAMES, key=len, reverse=True)) + "|.", re.DOTALL
)


class KeyReader:
    """Waits for keys.

    Args:
        descriptor: a terminal; None: there is none, so it only waits.
        signal_fd: readable once a signal came.
    """

    def __init__(self, descriptor: int | None, signal_fd: int | None = None) -> None:
        self._descriptor = descriptor
        self._descriptors = [each for each in (descriptor, signal_fd) if each is not None]
        self._pressed: deque[str] = deque()

    def read_key(self, seconds: float) -> str | None:
        """The next key by its name or character; None: none was pressed within this time."""
        if self._descriptor is None:
            # Nothing can wake us but the time, and Ctrl-C, which ends a sleep.
            time.sleep(max(0.0, seconds))
            return None
        if not self._pressed and self._descriptor in select.select(self._descriptors, [], [], max(0.0, seconds))[0]:
            typed = os.read(self._descriptor, READ_BYTES_MAX)
            if not typed:
                # The terminal is gone: nobody is there to see anything.
                return "q"
            self._pressed += _KEY_PATTERN.findall(typed.decode(errors="ignore"))
        if not self._pressed:
            return None
        key = self._pressed.popleft()
        return KEY_NAMES.get(key, key)


@contextmanager
def keyboard() -> Iterator[KeyReader]:
    """Keys of standard input for the length of the block; the terminal is afterwards as it was."""
    descriptor = sys.stdin.fileno()
    if not os.isatty(descriptor):
        yield KeyReader(None)
        return
    previous = termios.tcgetattr(descriptor)
    try:
        # At once: by default what was typed before the first screen would be thrown away.
        tty.setcbreak(descriptor, termios.TCSANOW)
        with _signal_pipe() as signal_fd:
            yield KeyReader(descriptor, signal_fd)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, previous)


@contextmanager
def _signal_pipe() -> Iterator[int]:
    """A descriptor that is readable once a signal came: one that comes just before a wait for keys would not end it."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    previous = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    try:
        yield reader
    finally:
        signal.set_wakeup_fd(previous)
        os.close(reader)
        os.close(writer)
