"""Nights of the simulated fleet with a Prometheus beside them, and what its scrapes brought."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import anyio

from tests.alerts.promtool import Recording, expressions, named_series
from tests.engine.night import SMALL, night
from tests.engine.world import World

TARGET = {"job": "oddaemon", "instance": "balances:9464"}
NAMES = ("smile", "ash", "birch", "cedar")
FLEET = tuple(replace(SMALL, office_id=name, seed=seed) for seed, name in enumerate(NAMES, 1))
FAMILIES = frozenset[str]().union(*map(named_series, expressions()))


@dataclass
class Watched:
    """A world and what is scraped of it."""

    world: World
    recording: Recording

    async def scrape(self) -> None:
        """At every interval, until cancelled."""
        world, at = self.world, self.world.clock.now()
        while True:
            if world.is_running:
                # Where many daemons live in one process, the process does not say when this one began.
                began = f"process_start_time_seconds {_started_at(world).timestamp()}\n"
                self.recording.scraped(world.metrics() + began, FAMILIES, TARGET)
            else:
                self.recording.unreachable(TARGET)
            at += timedelta(seconds=self.recording.interval_seconds)
            await world.until_time(at)


@asynccontextmanager
async def watched(directory: Path, *, interval_seconds: int = 60, **how: Any) -> AsyncIterator[Watched]:
    """A night as `tests.engine.night` makes it, scraped from its beginning to its end."""
    how.setdefault("specs", FLEET)
    async with night(directory, **how) as world, anyio.create_task_group() as tasks:
        found = Watched(world, Recording(interval_seconds, world.clock.now().timestamp()))
        tasks.start_soon(found.scrape)
        yield found
        tasks.cancel_scope.cancel()


def _started_at(world: World) -> datetime:
    lines = [line["timestamp"] for line in world.lines if line["event"] == "daemon_started"]
    return datetime.fromisoformat(lines[-1])
