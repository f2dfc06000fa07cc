"""Passes what became of each night on to whoever waits for a sign of life; the newest counts, so one waits at most."""

from collections.abc import Callable

import anyio

from oddaemon.engine.night_watch import Settled
from oddaemon.settings import Alerts
from oddaemon.sinks.ping import Receiver, Sent, failing, ping
from oddaemon.telemetry.event import Event
from oddaemon.telemetry.events import NightMissed, PingFailed, PingSent


class SignOfLife:
    """The dead man's switch of one daemon.

    Args:
        alerts: The table as it is in force; a reload may change it.
        emit: Takes the events.
    """

    def __init__(self, alerts: Callable[[], Alerts], emit: Callable[[Event], None]) -> None:
        self._alerts = alerts
        self._emit = emit
        self._next: Settled | None = None
        self._called = anyio.Event()

    def settled(self, event: Settled) -> None:
        """A night is over; what was not passed on of an earlier one is of no use any more."""
        self._next = event
        self._called.set()

    async def run(self) -> None:
        """Pass on what comes, until cancelled."""
        while True:
            await self._called.wait()
            self._called = anyio.Event()
            event, self._next = self._next, None
            if event is not None:
                await self._pass_on(event)

    async def _pass_on(self, event: Settled) -> None:
        alerts, missed = self._alerts(), isinstance(event, NightMissed)
        if alerts.ping_url is None or (missed and alerts.ping_on_miss == "silence"):
            return
        url = alerts.ping_url.reveal()
        receiver = Receiver(
            failing(url) if missed else url,
            alerts.ping_timeout_seconds,
            alerts.ping_attempts,
            alerts.ping_pause_seconds,
        )
        outcome = event.name.removeprefix("night_")
        sent = await ping(receiver, _document(event, outcome))
        if isinstance(sent, Sent):
            self._emit(PingSent(outcome, sent.attempts))
        else:
            self._emit(PingFailed(outcome, sent.attempts, sent.why))


def _document(event: Settled, outcome: str) -> dict[str, str | int]:
    """Counts of the fleet and nothing of any office."""
    counts = {name: getattr(event, name, None) for name in ("fresh", "late", "missing", "blocked", "exempt")}
    told: dict[str, str | int] = {"night": event.morning.isoformat(), "outcome": outcome}
    return told | {name: count for name, count in counts.items() if count is not None}
