"""Nights of the simulated fleet with a Prometheus beside them, and what its scrapes brought."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import anyio

from tests.alerts.promtool import ScrapeRecording, find_series_names, load_expressions
from tests.engine.night import SMALL, night
from tests.engine.world import World

TARGET = {"job": "oddaemon", "instance": "balances:9464"}
NAMES = ("smile", "ash", "birch", "cedar")
FLEET = tuple(replace(SMALL, office_id=name, seed=seed) for seed, name in enumerate(NAMES, 1))
FAMILIES = frozenset[str]().union(*map(find_series_names, load_expressions()))


@dataclass
class ScrapedDaemon:
    """A world and what is scraped of it."""

    world: World
    recording: ScrapeRecording

    async def scrape(self) -> None:
        """At every interval, until cancelled."""
        world, at = self.world, self.world.clock.now()
        while True:
            if world.is_running:
                # Where many daemons live in one process, the process does not say when this one began.
                began = f"process_start_time_seconds {_get_start_time(world).timestamp()}\n"
                self.recording.add_scrape(world.render_metrics() + began, FAMILIES, TARGET)
            else:
                self.recording.add_failed_scrape(TARGET)
            at += timedelta(seconds=self.recording.interval_seconds)
            await world.sleep_until(at)


@asynccontextmanager
async def scraped_daemon(directory: Path, *, interval_seconds: int = 60, **how: Any) -> AsyncIterator[ScrapedDaemon]:
    """A night as `tests.engine.night` makes it, scraped from its beginning to its end."""
    how.setdefault("specs", FLEET)
    async with night(directory, **how) as world, anyio.create_task_group() as tasks:
        found = ScrapedDaemon(world, ScrapeRecording(interval_seconds, world.clock.now().timestamp()))
        tasks.start_soon(found.scrape)
        yield found
        tasks.cancel_scope.cancel()


def _get_start_time(world: World) -> datetime:
    lines = [line["timestamp"] for line in world.lines if line["event"] == "daemon_started"]
    return datetime.fromisoformat(lines[-1])
