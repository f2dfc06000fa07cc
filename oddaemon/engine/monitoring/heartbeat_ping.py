"""Sends a heartbeat ping after each night. Only the newest result counts, so at most one is pending."""

from collections.abc import Callable

import anyio

from oddaemon.engine.monitoring.freshness_monitor import NightResult
from oddaemon.http_client.proxy import Proxy
from oddaemon.settings import AlertSettings
from oddaemon.sinks.heartbeat_ping import PingTarget, make_failure_url, ping
from oddaemon.telemetry.events import HeartbeatPingFailed, HeartbeatPingSent, NightMissed, PeerErrorUnforeseen
from oddaemon.telemetry.events.base import Event
from oddaemon.telemetry.logging.traceback import format_traceback


class HeartbeatPinger:
    """The dead man's switch of one daemon.

    Args:
        alerts: Returns the active `[alerts]` table; a reload may change it.
        emit: Takes the events.
    """

    def __init__(self, alerts: Callable[[], AlertSettings], emit: Callable[[Event], None]) -> None:
        self._alerts = alerts
        self._emit = emit
        self._pending: NightResult | None = None
        self._wakeup = anyio.Event()

    def on_result(self, event: NightResult) -> None:
        """Take the result of a night; it replaces a pending one."""
        self._pending = event
        self._wakeup.set()

    async def run(self) -> None:
        """Send pings until cancelled."""
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
            None if alerts.proxy_url is None else Proxy(alerts.proxy_url),
        )
        outcome = event.name.removeprefix("night_")
        result = await ping(target, _build_payload(event, outcome))
        if (error := result.unforeseen) is not None:
            self._emit(PeerErrorUnforeseen("heartbeat ping", type(error).__name__, format_traceback(error)))
        if result.why:
            self._emit(HeartbeatPingFailed(outcome, result.attempts, result.why))
        else:
            self._emit(HeartbeatPingSent(outcome, result.attempts))


def _build_payload(event: NightResult, outcome: str) -> dict[str, str | int]:
    """Counts of the fleet, without names of offices."""
    counts = {name: getattr(event, name, None) for name in ("fresh", "late", "missing", "blocked", "exempt")}
    payload: dict[str, str | int] = {"night": event.night.isoformat(), "outcome": outcome}
    return payload | {name: count for name, count in counts.items() if count is not None}
