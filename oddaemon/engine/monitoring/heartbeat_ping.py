"""Passes what became of each night on to whoever waits for a sign of life; the newest counts, so one waits at most."""

from collections.abc import Callable

import anyio

from oddaemon.engine.monitoring.freshness_monitor import NightResult
from oddaemon.settings import AlertSettings
from oddaemon.sinks.heartbeat_ping import PingTarget, Sent, make_failure_url, ping
from oddaemon.telemetry.events import HeartbeatPingFailed, HeartbeatPingSent, NightMissed
from oddaemon.telemetry.events.base import Event


class HeartbeatPinger:
    """The dead man's switch of one daemon.

    Args:
        alerts: The table as it is in force; a reload may change it.
        emit: Takes the events.
    """

    def __init__(self, alerts: Callable[[], AlertSettings], emit: Callable[[Event], None]) -> None:
        self._alerts = alerts
        self._emit = emit
        self._pending: NightResult | None = None
        self._wakeup = anyio.Event()

    def on_result(self, event: NightResult) -> None:
        """A night is over; what was not passed on of an earlier one is of no use any more."""
        self._pending = event
        self._wakeup.set()

    async def run(self) -> None:
        """Pass on what comes, until cancelled."""
        while True:
            await self._wakeup.wait()
            self._wakeup = anyio.Event()
            event, self._pending = self._pending, None
            if event is not None:
                await self._send_ping(event)

    async def _send_ping(self, event: NightResult) -> None:
        alerts, missed = self._alerts(), isinstance(event, NightMissed)
        if alerts.ping_url is None or (missed and alerts.ping_on_miss == "silence"):
            return
        url = alerts.ping_url.reveal()
        target = PingTarget(
            make_failure_url(url) if missed else url,
            alerts.ping_timeout_seconds,
            alerts.ping_attempts,
            alerts.ping_pause_seconds,
        )
        outcome = event.name.removeprefix("night_")
        sent = await ping(target, _build_payload(event, outcome))
        if isinstance(sent, Sent):
            self._emit(HeartbeatPingSent(outcome, sent.attempts))
        else:
            self._emit(HeartbeatPingFailed(outcome, sent.attempts, sent.why))


def _build_payload(event: NightResult, outcome: str) -> dict[str, str | int]:
    """Counts of the fleet and nothing of any office."""
    counts = {name: getattr(event, name, None) for name in ("fresh", "late", "missing", "blocked", "exempt")}
    payload: dict[str, str | int] = {"night": event.night.isoformat(), "outcome": outcome}
    return payload | {name: count for name, count in counts.items() if count is not None}
