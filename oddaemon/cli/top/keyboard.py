"""Single key presses, without Enter; none if standard input is not a terminal."""

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
"""Per read: pasting, or typing quickly, sends several keys at once."""
_KEY_PATTERN = re.compile(
    "|".join(re.escape(each) for each in sorted(KEY_NAMES, key=len, reverse=True)) + "|.", re.DOTALL
)


class KeyReader:
    """Waits for keys.

    Args:
        descriptor: A terminal; None: there is none, so it only waits.
        signal_fd: Readable once a signal has arrived.
    """

    def __init__(self, descriptor: int | None, signal_fd: int | None = None) -> None:
        self._descriptor = descriptor
        self._descriptors = [each for each in (descriptor, signal_fd) if each is not None]
        self._pressed: deque[str] = deque()

    def read_key(self, seconds: float) -> str | None:
        """The next key by name or character; None: none within this time."""
        if self._descriptor is None:
            # Only Ctrl-C can end this sleep early.
            time.sleep(max(0.0, seconds))
            return None
        if not self._pressed and self._descriptor in select.select(self._descriptors, [], [], max(0.0, seconds))[0]:
            typed = os.read(self._descriptor, READ_BYTES_MAX)
            if not typed:
                # The terminal is gone.
                return "q"
            self._pressed += _KEY_PATTERN.findall(typed.decode(errors="ignore"))
        if not self._pressed:
            return None
        key = self._pressed.popleft()
        return KEY_NAMES.get(key, key)


@contextmanager
def keyboard() -> Iterator[KeyReader]:
    """Read keys from standard input within the block; the terminal's mode is restored afterwards."""
    descriptor = sys.stdin.fileno()
    if not os.isatty(descriptor):
        yield KeyReader(None)
        return
    previous = termios.tcgetattr(descriptor)
    try:
        # TCSANOW: the default would discard keys typed before the first screen.
        tty.setcbreak(descriptor, termios.TCSANOW)
        with _signal_pipe() as signal_fd:
            yield KeyReader(descriptor, signal_fd)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, previous)


@contextmanager
def _signal_pipe() -> Iterator[int]:
    """A descriptor that is readable once a signal has arrived, even one just before the wait for keys."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    previous = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    try:
        yield reader
    finally:
        signal.set_wakeup_fd(previous)
        os.close(reader)
        os.close(writer)
