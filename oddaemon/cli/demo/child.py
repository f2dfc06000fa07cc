"""The demo's processes: each is started, logged to a file, and ended by its own id, whatever happens to the demo."""

import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import DEVNULL

import anyio
import anyio.abc

KILL_AFTER_SECONDS = 10.0
TAIL_LINES = 15


class Child:
    """One `oddaemon` of its own. Make it with `started`."""

    def __init__(self, process: anyio.abc.Process, command: str, log: Path) -> None:
        self.command = command
        self.log = log
        self._process = process

    @property
    def ended(self) -> bool:
        """Whether it is gone."""
        return self._process.returncode is not None

    def must_live(self) -> None:
        """Nothing, as long as it runs.

        Raises:
            ChildProcessError: it has ended by itself; the message has the end of its log.
        """
        if self.ended:
            raise ChildProcessError(f"`oddaemon {self.command}` ended by itself. Its log ends so:\n{self.tail()}")

    async def kill(self) -> None:
        """SIGKILL: it can neither finish anything nor say so."""
        self._process.kill()
        await self._process.wait()

    async def stop(self) -> int | None:
        """SIGTERM, then wait.

        Returns:
            Its exit status, or None if it had to be killed.
        """
        if not self.ended:
            self._process.send_signal(signal.SIGTERM)
        with anyio.move_on_after(KILL_AFTER_SECONDS):
            return await self._process.wait()
        await self.kill()
        return None

    def tail(self) -> str:
        """The last lines of its log."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL_LINES:])


@asynccontextmanager
async def started(arguments: list[str], log: Path) -> AsyncIterator[Child]:
    """Run `oddaemon` with these arguments for the length of the block; at its end the process is gone."""
    with log.open("wb") as output:
        # In a session of its own: Ctrl-C reaches the demo alone, which then ends its children in order.
        process = await anyio.open_process(
            [sys.executable, "-m", "oddaemon", *arguments],
            stdin=DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    child = Child(process, arguments[0], log)
    try:
        yield child
    finally:
        with anyio.CancelScope(shield=True):
            if not child.ended:
                await child.kill()
            await process.aclose()
