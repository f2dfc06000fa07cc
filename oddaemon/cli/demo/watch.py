"""An eye on everything while the night passes: the daemon's log, its database, and what the simulated offices do."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import anyio

from oddaemon.cli.demo.character import Character
from oddaemon.cli.demo.child import Child
from oddaemon.cli.demo.desk import Desk
from oddaemon.cli.demo.journal import Journal
from oddaemon.cli.demo.scene import Narrator
from oddaemon.cli.demo.told import Told
from oddaemon.cli.demo.verdict import Runs, standing_complaints
from oddaemon.cli.fleet import Known, known_offices
from oddaemon.settings import Settings
from oddaemon.store.database import Database

TICK_SECONDS = 0.05
LOOK_EVERY_TICKS = 5
DESK_EVERY_TICKS = 20


@dataclass(slots=True)
class Watch:
    """What is seen, and of what."""

    characters: Sequence[Character]
    settings: Settings
    db: Database
    desk: Desk
    told: Told
    narrator: Narrator
    fleet: Sequence[Known] = ()
    """In the order of the characters."""
    runs: Runs = field(default_factory=dict)
    _ticks: int = 0

    async def until(self, reached: Callable[[], bool], child: Child, journal: Journal, seconds_max: float) -> bool:
        """Watch until `reached`, or for so long.

        Returns:
            Whether it was reached.

        Raises:
            ChildProcessError: the daemon ended by itself.
        """
        deadline = anyio.current_time() + seconds_max
        while anyio.current_time() < deadline:
            for event in journal.news():
                self.told.take(event)
            if reached():
                return True
            child.must_live()
            await self._tick()
        return False

    async def look(self) -> None:
        """See how everything stands at this moment."""
        known = {each.id: each for each in await known_offices(self.db, self.settings)}
        self.fleet = [known[character.id] for character in self.characters]
        now = datetime.now(UTC)
        self.narrator.fleet([each.status(now) for each in self.fleet], self._settled(now))

    def all_settled(self) -> bool:
        """Whether every office stands as the night must leave it."""
        return self._settled(datetime.now(UTC)) == len(self.characters)

    async def ask_desk(self) -> None:
        """See which runs of aging the offices have completed."""
        self.runs = await self.desk.completed_runs()

    async def _tick(self) -> None:
        if self._ticks % DESK_EVERY_TICKS == 0:
            await self.ask_desk()
        if self._ticks % LOOK_EVERY_TICKS == 0:
            await self.look()
        self._ticks += 1
        await anyio.sleep(TICK_SECONDS)

    def _settled(self, now: datetime) -> int:
        pairs = zip(self.characters, self.fleet, strict=False)
        return sum(not standing_complaints(each, known, self.runs.get(each.id, ()), now) for each, known in pairs)
