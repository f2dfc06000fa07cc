"""What systemd hears of the daemon while it lives: how it is, that it makes progress, that it needs more time.

`WATCHDOG=1` is sent only when `core.progress` finds nothing that hangs, never merely because time has passed. The task
that asks runs in the event loop of everything else, so a loop that stands still is silent by itself.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import anyio

from oddaemon.core.bulletin import bulletin
from oddaemon.core.model import Standing
from oddaemon.core.progress import Patience, Vital, stall
from oddaemon.core.standing import capital
from oddaemon.settings import Settings
from oddaemon.telemetry import systemd
from oddaemon.telemetry.event import Event
from oddaemon.telemetry.events import EngineMovesAgain, EngineStalled, RequestFinished, RequestStarted

BEAT_SECONDS = 2.0
"""How often systemd hears; its own watchdog may want to hear more often still."""
UNHEARD_SECONDS = 60.0
"""How often to look whether anything hangs where nobody listens: for the log alone."""
MORE_TIME_SECONDS = 30.0
"""How much longer a start or an end may take from now on, each time that it is asked for."""
CLOSING_SECONDS = 15.0
"""For what has to be closed once a drain is over."""


class Vitals:
    """What each office's worker does, told by whoever does it."""

    def __init__(self) -> None:
        self._of: dict[str, Vital] = {}

    def moved(self, office: str) -> None:
        """The office's worker takes a turn."""
        self._of[office] = Vital(office, anyio.current_time())

    def sleeps(self, office: str, until: float) -> None:
        """The worker does nothing before `until`."""
        self._of[office] = Vital(office, anyio.current_time(), asleep_until=until)

    def observe(self, event: Event) -> None:
        """A request leaves or has ended, however.

        While the office's worker sleeps, or where there is none, it was somebody else's, such as one for a past day.
        """
        if isinstance(event, RequestStarted | RequestFinished):
            vital = self._of.get(event.office)
            if vital is not None and vital.asleep_until is None:
                now = anyio.current_time()
                asking_since = now if isinstance(event, RequestStarted) else None
                self._of[event.office] = Vital(event.office, now, asking_since=asking_since)

    def gone(self, office: str) -> None:
        """The office has no worker any more."""
        self._of.pop(office, None)

    def all(self) -> list[Vital]:
        """A picture of this moment."""
        return list(self._of.values())


@dataclass(frozen=True, slots=True)
class Pulse:
    """The daemon at one moment, as far as systemd is concerned. Instants are the event loop's, but for `now`."""

    at: float
    now: datetime
    """The wall clock, aware."""
    settings: Settings
    has_started: bool
    """The configuration is applied and the store was opened."""
    drained_at: float | None
    """When its drain ends at the latest; None: it does not drain."""
    trouble: str | None
    """What is wrong with the database, as a sentence."""
    writing_since: float | None
    """When the write that is under way began."""
    vitals: Sequence[Vital]
    standings: Sequence[Standing]

    @property
    def stall(self) -> str | None:
        """What hangs, as a clause."""
        api = self.settings.api
        patience = Patience(
            answer_seconds=api.connect_timeout_seconds + api.request_timeout_seconds,
            max_in_flight=api.max_in_flight,
            seconds_between_requests=1.0 / api.max_requests_per_second,
            spacing_seconds=max((office.min_interval_seconds for office in self.settings.offices), default=0.0),
        )
        return stall(self.vitals, self.writing_since, patience, self.at)

    @property
    def needs_time(self) -> bool:
        """Whether it starts or drains, and is still within what that may take."""
        if self.drained_at is not None:
            return self.at < self.drained_at + CLOSING_SECONDS
        return not self.has_started

    @property
    def sentence(self) -> str:
        """How the daemon is."""
        if self.drained_at is not None:
            asking = sum(vital.asking_since is not None for vital in self.vitals)
            requests = "1 request" if asking == 1 else f"{asking} requests"
            return f"Stopping: {requests} under way, for at most {max(0.0, self.drained_at - self.at):.0f} s."
        if self.trouble is not None:
            return f"Not ready: {self.trouble}"
        if not self.has_started:
            return "Starting: the database is being opened."
        return bulletin(self.standings, self.now, self.now.astimezone().tzinfo or UTC)


async def keep_informed(pulse: Callable[[], Pulse], emit: Callable[[Event], None]) -> None:
    """Tell systemd how the daemon is, until cancelled.

    Args:
        pulse: Of this moment.
        emit: Takes the events.
    """
    period_seconds = UNHEARD_SECONDS
    if systemd.listens():
        period_seconds = min(BEAT_SECONDS, (systemd.watchdog_seconds() or UNHEARD_SECONDS) / 3)
    heartbeat = _Heartbeat(emit)
    while True:
        due = anyio.current_time() + period_seconds
        heartbeat.beat(pulse())
        await anyio.sleep_until(due)
        if anyio.current_time() - due > period_seconds:
            # The process was stopped or its loop held up: everybody else is as late, and wakes only now.
            await anyio.sleep(period_seconds)


class _Heartbeat:
    """What was told already."""

    def __init__(self, emit: Callable[[Event], None]) -> None:
        self._emit = emit
        self._sentence = ""
        self._stalled_since: float | None = None

    def beat(self, pulse: Pulse) -> None:
        """Tell what is new, and that all is well if it is."""
        hangs = pulse.stall
        self._tell(f"Stuck: {hangs}." if hangs else pulse.sentence)
        if pulse.needs_time:
            systemd.more_time(MORE_TIME_SECONDS)
        if hangs is None:
            systemd.watchdog()
            if self._stalled_since is not None:
                self._emit(EngineMovesAgain(pulse.at - self._stalled_since))
                self._stalled_since = None
        elif self._stalled_since is None:
            self._stalled_since = pulse.at
            self._emit(EngineStalled(capital(hangs)))

    def _tell(self, sentence: str) -> None:
        if sentence != self._sentence:
            self._sentence = sentence
            systemd.status(sentence)
