"""The two processes of the night, each brought to the point where it answers."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from oddaemon.cli.demo.child import Child, started
from oddaemon.cli.simulating import READY

START_SECONDS_MAX = 45.0
POLL_SECONDS = 0.05
READY_EVENT = b'"event": "daemon_ready"'


class Stage:
    """Where the night takes place: everything it needs and leaves behind is in `directory`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @property
    def plan(self) -> Path:
        """The plan of the world."""
        return self.directory / "plan.json"

    @property
    def config(self) -> Path:
        """The daemon's configuration, which the simulator writes."""
        return self.directory / "config" / "oddaemon.toml"

    @asynccontextmanager
    async def simulator(self) -> AsyncIterator[Child]:
        """The simulated world, answering.

        Raises:
            ChildProcessError: it did not come up.
        """
        arguments = ["simulator", "--plan", str(self.plan), "--config-dir", str(self.config.parent)]
        async with started(arguments, self.directory / "simulator.log") as child:
            await _until(child, lambda: child.log.read_text(encoding="utf-8").endswith(f"{READY}\n"))
            yield child

    @asynccontextmanager
    async def daemon(self, life: int) -> AsyncIterator[Child]:
        """The daemon, in its first or second life, ready.

        Raises:
            ChildProcessError: it did not come up.
        """
        log = self.directory / f"daemon-{life}.log"
        async with started(["run", "--config", str(self.config)], log) as child:
            await _until(child, lambda: READY_EVENT in log.read_bytes())
            yield child


async def _until(child: Child, is_ready: Callable[[], bool]) -> None:
    with anyio.move_on_after(START_SECONDS_MAX):
        while not is_ready():
            child.must_live()
            await anyio.sleep(POLL_SECONDS)
        return
    raise ChildProcessError(f"`oddaemon {child.command}` was not ready in time. Its log ends so:\n{child.tail()}")
