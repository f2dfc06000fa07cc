"""The daemon as the operating system knows it: a process with a log on its standard output, and signals."""

import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from subprocess import DEVNULL, STDOUT
from typing import Any

import anyio
import anyio.abc
import msgspec
from anyio.streams.text import TextReceiveStream

from tests.crash.change_signal import TIMEOUT_SECONDS, ChangeSignal

ROOT = Path(__file__).parents[2]
DAEMON = ("oddaemon",)
ENVIRONMENT = {
    name: value for name, value in os.environ.items() if name not in {"ODDAEMON_CONFIG", "NOTIFY_SOCKET", "PYTHONPATH"}
}


class DaemonProcess:
    """One life of the daemon.

    Attributes:
        lines: Every line of its log so far.
        other_output: Its other output: a traceback, a message of the interpreter.
    """

    def __init__(self, process: anyio.abc.Process, changes: ChangeSignal) -> None:
        self.lines: list[dict[str, Any]] = []
        self.other_output: list[str] = []
        self._process = process
        self._changes = changes

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    @property
    def is_over(self) -> bool:
        """Whether it ended."""
        return self._process.returncode is not None

    @property
    def status(self) -> int | None:
        """Its exit status; minus the number of the signal that ended it; None while it lives."""
        return self._process.returncode

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, unless the process has ended."""
        if not self.is_over:
            # Not the process's own method: it waits for the child first, and then asyncio never learns its status.
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def find_events(self, event: str) -> list[dict[str, Any]]:
        """Its lines of one event."""
        return [line for line in self.lines if line["event"] == event]

    async def wait_for_event(self, event: str, times: int = 1) -> dict[str, Any]:
        """The nth line of this event.

        Raises:
            AssertionError: it ended without logging it.
            TimeoutError: it never logs it.
        """
        await self._changes.wait_until(lambda: len(self.find_events(event)) >= times or self.is_over)
        lines = self.find_events(event)
        assert len(lines) >= times, (
            f"It ended with {self.status} and never logged {event}: {self.lines} {self.other_output}"
        )
        return lines[times - 1]

    async def wait_for_exit(self) -> int:
        """Its exit status, once it has one.

        Raises:
            TimeoutError: it does not end.
        """
        with anyio.fail_after(TIMEOUT_SECONDS):
            return await self._process.wait()

    async def read_output(self) -> None:
        """Read its output until it ends."""
        assert self._process.stdout is not None
        rest = ""
        async for text in TextReceiveStream(self._process.stdout, errors="replace"):
            *lines, rest = (rest + text).split("\n")
            for line in lines:
                self._parse_line(line)
            self._changes.notify()
        await self._process.wait()
        self._changes.notify()

    def _parse_line(self, line: str) -> None:
        try:
            self.lines.append(msgspec.json.decode(line, type=dict[str, Any]))
        except msgspec.DecodeError:
            self.other_output.append(line)


@asynccontextmanager
async def daemon_process(
    config: Path,
    changes: ChangeSignal,
    tasks: anyio.abc.TaskGroup,
    program: Sequence[str] = DAEMON,
    wrapper: Sequence[str] = (),
) -> AsyncIterator[DaemonProcess]:
    """A daemon for the length of the block; a process that is left at the end is killed.

    Args:
        config: Its configuration.
        changes: Signalled at each line of its log, and when it ends.
        tasks: Reads its output.
        program: What `python -m` runs, with arguments that stand before the daemon's own.
        wrapper: A command that becomes the daemon, in whatever it makes of the clock or the network.
    """
    command = [*wrapper, sys.executable, "-m", *program, "run", "--config", str(config)]
    async with await anyio.open_process(
        command, cwd=ROOT, env=ENVIRONMENT, stdin=DEVNULL, stderr=STDOUT, start_new_session=True
    ) as process:
        daemon = DaemonProcess(process, changes)
        output_read = anyio.Event()

        async def read_output() -> None:
            try:
                await daemon.read_output()
            finally:
                output_read.set()

        tasks.start_soon(read_output, name="daemon's log")
        try:
            yield daemon
        finally:
            daemon.send_signal(signal.SIGKILL)
            with anyio.CancelScope(shield=True), anyio.move_on_after(TIMEOUT_SECONDS):
                await output_read.wait()
