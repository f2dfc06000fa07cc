"""The processes of the demo: each logs to a file, and is always ended with the demo."""

import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import DEVNULL

import anyio
import anyio.abc

START_SECONDS_MAX = 45.0
POLL_SECONDS = 0.05
KILL_AFTER_SECONDS = 10.0
TAIL_LINES = 15


class ChildProcess:
    """An `oddaemon` process; see `run_process`."""

    def __init__(self, process: anyio.abc.Process, command: str, log: Path) -> None:
        self.log = log
        self._command = command
        self._process = process

    @property
    def has_ended(self) -> bool:
        """Whether it has exited."""
        return self._process.returncode is not None

    def require_running(self) -> None:
        """Check that it runs.

        Raises:
            ChildProcessError: It has exited; the message has the end of its log.
        """
        if self.has_ended:
            raise self._make_error("exited unexpectedly")

    async def wait_until_ready(self, mark: bytes) -> None:
        """Wait until the log contains `mark`.

        Raises:
            ChildProcessError: It did not start; the message has the end of its log.
        """
        with anyio.move_on_after(START_SECONDS_MAX):
            while mark not in self.log.read_bytes():
                self.require_running()
                await anyio.sleep(POLL_SECONDS)
            return
        raise self._make_error("was not ready in time")

    async def kill(self) -> None:
        """Send SIGKILL."""
        self._process.kill()
        await self._process.wait()

    async def stop(self) -> int | None:
        """Send SIGTERM, and wait.

        Returns:
            Its exit status, or None if it had to be killed.
        """
        if not self.has_ended:
            self._process.send_signal(signal.SIGTERM)
        with anyio.move_on_after(KILL_AFTER_SECONDS):
            return await self._process.wait()
        await self.kill()
        return None

    def _make_error(self, problem: str) -> ChildProcessError:
        tail = "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL_LINES:])
        return ChildProcessError(f"`oddaemon {self._command}` {problem}. End of its log:\n{tail}")


@asynccontextmanager
async def run_process(arguments: list[str], log: Path) -> AsyncIterator[ChildProcess]:
    """Run `oddaemon` with these arguments within the block; at its end the process is gone."""
    with log.open("wb") as output:
        # In its own session, so that Ctrl-C reaches only the demo, which then stops its processes in order.
        process = await anyio.open_process(
            [sys.executable, "-m", "oddaemon", *arguments],
            stdin=DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    child = ChildProcess(process, arguments[0], log)
    try:
        yield child
    finally:
        with anyio.CancelScope(shield=True):
            if not child.has_ended:
                await child.kill()
            await process.aclose()
