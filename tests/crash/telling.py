"""One telling of a scene: one life of the daemon after another until the story is over, and what they leave behind."""

import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from oddaemon.simulator.headquarters.traffic_log import RetryAfterIgnored, TwoInFlight, find_violations
from tests.crash.ambush import Asked, strike_after
from tests.crash.daemon_process import DAEMON, DaemonProcess, daemon_process
from tests.crash.kills import COMMITS, Kill, Moment
from tests.crash.remains import balances, complaints, remains, states
from tests.crash.scenes import Scene
from tests.crash.stage import Stage, stage

MORTAL = "tests.crash.mortal"
WAKES_EARLY = timedelta(milliseconds=5)
"""A sleep is measured by another clock than the instant it is to end at."""
LOG_LINES_TOLD = 15


@dataclass
class Life:
    """One process, from start to end."""

    kill: Kill | None
    status: int | None = None
    left: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The states of the offices in the database that a kill left."""

    @property
    def was_killed(self) -> bool:
        """Whether the kill came before the story was over."""
        return self.status == -signal.SIGKILL


@dataclass(frozen=True)
class Told:
    """What a telling came to."""

    remains: bytes = field(repr=False)
    """Empty where the story did not come to its end."""
    lives: Sequence[Life] = field(repr=False)
    fetched: Counter[tuple[str, Asked]]
    """How often each office gave each kind of answer."""
    requests: int
    """Of the first life."""
    wrong: Sequence[str]

    @property
    def kills(self) -> int:
        """How many came in time."""
        return sum(life.was_killed for life in self.lives)


async def tell(scene: Scene, kills: Sequence[Kill], directory: Path, tally: Path | None = None) -> Told:
    """Tell a scene to its end, through all these kills.

    Args:
        scene: What is played.
        kills: One for each life; the one after the last is left to live.
        directory: Empty; the daemon's database is made in it.
        tally: Takes the number of commits of a telling without kills.
    """
    async with stage(scene, directory) as built:
        telling = _Telling(built, tally)
        for kill in [*kills, None]:
            life = await telling.live(kill)
            if not life.was_killed:
                break
        return telling.told()


class _Telling:
    def __init__(self, built: Stage, tally: Path | None) -> None:
        self._stage = built
        self._tally = tally
        self._lives: list[Life] = []
        self._wrong: list[str] = []
        self._aged = False
        self._stands_still = False
        self._today = built.today.isoformat()
        self._yesterday = (built.today - timedelta(days=1)).isoformat()
        if built.scene.overtaken_at_page is not None:
            built.ambush.on_page = self._overtake

    async def live(self, kill: Kill | None) -> Life:
        """One life of the daemon: until the story is over, or until it is killed."""
        life = Life(kill)
        self._lives.append(life)
        built = self._stage
        async with daemon_process(built.config, built.news, built.tasks, self._program(kill)) as daemon:
            strike = partial(daemon.send, signal.SIGKILL)
            built.ambush.arm(kill, strike)
            if kill is not None and kill.moment is Moment.START:
                built.tasks.start_soon(strike_after, kill.seconds, strike)
            try:
                await self._play(daemon)
            except TimeoutError:
                self._stands_still = True
                self._wrong.append(f"life {len(self._lives)}: the story stands still.\n{_last_words(daemon)}")
                return life
            daemon.send(signal.SIGTERM)
            life.status = await daemon.ended()
        if life.was_killed:
            life.left = left_behind(built.database)
        self._judge(life, daemon)
        return life

    def told(self) -> Told:
        """What it came to."""
        built = self._stage
        wrong = list(self._wrong)
        if not self._stands_still:
            wrong += [*complaints(built.database), *self._untrue(), *self._impolite(), *self._forgotten()]
        return Told(
            remains=b"" if self._stands_still else remains(built.database),
            lives=self._lives,
            fetched=Counter((each.office_id, each.asked) for each in built.ambush.fetched),
            requests=sum(each.life == 1 for each in built.ambush.seen),
            wrong=wrong,
        )

    async def _play(self, daemon: DaemonProcess) -> None:
        """The story, as far as this life goes with it."""

        def is_told(day: str) -> bool:
            told = _fresh(daemon.lines)
            return all(told.get(office.id) == day for office in self._stage.scene.offices)

        until = self._stage.news.until
        if not self._aged and self._stage.scene.overtaken_at_page is None:
            await until(lambda: daemon.is_over or is_told(self._yesterday))
            if daemon.is_over:
                return
            self._aged = True
            await self._stage.age()
        await until(lambda: daemon.is_over or is_told(self._today))

    async def _overtake(self, pages: int) -> None:
        if pages == self._stage.scene.overtaken_at_page and not self._aged:
            self._aged = True
            await self._stage.age()

    def _program(self, kill: Kill | None) -> Sequence[str]:
        if kill is not None and kill.moment in COMMITS:
            return (MORTAL, f"--{kill.moment}", str(kill.number), "--")
        if self._tally is not None:
            return (MORTAL, "--tally", str(self._tally), "--")
        return DAEMON

    def _judge(self, life: Life, daemon: DaemonProcess) -> None:
        if not life.was_killed and life.status != 0:
            self._wrong.append(f"life {len(self._lives)} ended with status {life.status}.\n{_last_words(daemon)}")
        self._wrong += [f"life {len(self._lives)} wrote: {line}" for line in daemon.noise]
        for line in daemon.lines:
            if line["level"] == "error":
                self._wrong.append(f"life {len(self._lives)} said: {line}")

    def _untrue(self) -> Iterator[str]:
        for office_id, practice in self._stage.headquarters.practices.items():
            if balances(self._stage.database, office_id) != [
                tuple(balance) for balance in practice.get_true_balances()
            ]:
                yield f"the balances of {office_id} are not true"

    def _impolite(self) -> Iterator[str]:
        # Whoever was killed before he had written down what he was told cannot know it.
        kinds = (TwoInFlight,) if any(life.was_killed for life in self._lives) else (TwoInFlight, RetryAfterIgnored)
        for violation in find_violations(self._stage.headquarters.traffic):
            if isinstance(violation, kinds):
                yield f"impolite: {violation}"

    def _forgotten(self) -> Iterator[str]:
        """Requests that came before the instant that the database of the life before named."""
        seen = self._stage.ambush.seen
        for number, life in enumerate(self._lives, 1):
            for office_id, state in life.left.items():
                not_before = datetime.fromisoformat(state["not_before"])
                first = next((each for each in seen if each.life == number + 1 and each.office_id == office_id), None)
                if first is not None and first.at < not_before - WAKES_EARLY:
                    yield f"life {number + 1} asked {office_id} {not_before - first.at} before its time"


def _fresh(lines: Sequence[dict[str, Any]]) -> dict[str, str]:
    """The offices that were last told to be fresh, each with the date of its aging."""
    dates: dict[str, str] = {}
    fresh: dict[str, str] = {}
    for line in lines:
        if line["event"] == "aging_status_changed":
            dates[line["office"]] = line["aging_date"]
            fresh.pop(line["office"], None)
        elif line["event"] == "condition_changed":
            fresh.pop(line["office"], None)
            if line["after"] == "fresh":
                fresh[line["office"]] = dates[line["office"]]
    return fresh


def _last_words(daemon: DaemonProcess) -> str:
    return "\n".join([*map(str, daemon.lines[-LOG_LINES_TOLD:]), *daemon.noise])


def left_behind(database: Path) -> dict[str, dict[str, Any]]:
    """What nobody writes any more, read from a copy: whoever opens a file may mend what the next life is to mend."""
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory) / database.name
        for suffix in ("", "-wal"):
            if (part := database.with_name(database.name + suffix)).exists():
                shutil.copyfile(part, copy.with_name(part.name))
        return states(copy) if copy.exists() else {}
