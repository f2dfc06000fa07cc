"""The processes of the demo: each logs to a file, and is always ended with the demo."""

import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import DEVNULL

import anyio
import anyio.abc

from oddaemon.cli.args.simulation import READY_LINE

KILL_AFTER_SECONDS = 10.0
TAIL_LINES = 15


class ChildProcess:
    """An `oddaemon` process; see `run_process`."""

    def __init__(self, process: anyio.abc.Process, command: str, log: Path) -> None:
        self.command = command
        self.log = log
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
            raise ChildProcessError(
                f"`oddaemon {self.command}` exited unexpectedly. End of its log:\n{self.read_log_tail()}"
            )

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

    def read_log_tail(self) -> str:
        """The last lines of its log."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL_LINES:])


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


START_SECONDS_MAX = 45.0
POLL_SECONDS = 0.05
READY_EVENT = b'"event": "daemon_ready"'


class DemoProcesses:
    """Simulator and daemon of the demo; all their files are in `directory`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @property
    def plan_path(self) -> Path:
        """The simulator's plan."""
        return self.directory / "plan.json"

    @property
    def config_path(self) -> Path:
        """The daemon's configuration, which the simulator writes."""
        return self.directory / "config" / "oddaemon.toml"

    @asynccontextmanager
    async def start_simulator(self) -> AsyncIterator[ChildProcess]:
        """Start the simulator, and wait until it is ready.

        Raises:
            ChildProcessError: It did not start.
        """
        arguments = ["simulator", "--plan", str(self.plan_path), "--config-dir", str(self.config_path.parent)]
        async with run_process(arguments, self.directory / "simulator.log") as child:
            await _wait_until_ready(child, lambda: child.log.read_text(encoding="utf-8").endswith(f"{READY_LINE}\n"))
            yield child

    @asynccontextmanager
    async def start_daemon(self, run_number: int) -> AsyncIterator[ChildProcess]:
        """Start the daemon for the first or second time, and wait until it is ready.

        Raises:
            ChildProcessError: It did not start.
        """
        log = self.directory / f"daemon-{run_number}.log"
        async with run_process(["run", "--config", str(self.config_path)], log) as child:
            await _wait_until_ready(child, lambda: READY_EVENT in log.read_bytes())
            yield child


async def _wait_until_ready(child: ChildProcess, is_ready: Callable[[], bool]) -> None:
    with anyio.move_on_after(START_SECONDS_MAX):
        while not is_ready():
            child.require_running()
            await anyio.sleep(POLL_SECONDS)
        return
    raise ChildProcessError(
        f"`oddaemon {child.command}` was not ready in time. End of its log:\n{child.read_log_tail()}"
    )
