"""Checks of the daemon itself: resumption, rate limits, metrics, shutdown, secrets in logs."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus

import anyio

from oddaemon.cli.demo.log_reader import LogSummary
from oddaemon.cli.demo.observer import Observer
from oddaemon.cli.demo.processes import ChildProcess
from oddaemon.cli.demo.simulator_client import TrafficStats, fetch
from oddaemon.settings import Settings

CONDITION_METRIC = re.compile(r'^oddaemon_offices\{condition="(\w+)"\} (\S+)$', re.MULTILINE)
METRICS_TRIES = 10
RETRY_SECONDS = 0.2
"""An office may be changing its condition."""


@dataclass(frozen=True, slots=True)
class FinalCheck:
    """The result of one check."""

    passed: bool
    text: str


def check_resumed(summary: LogSummary, killed_at_row: int) -> FinalCheck:
    """Whether the interrupted pull resumed where it stopped."""
    if not killed_at_row:
        return FinalCheck(
            passed=False,
            text=f"the daemon was not killed during the pull of {summary.interrupted_office}: no page arrived in time",
        )
    text = (
        f"killed (SIGKILL) after row {killed_at_row:,} of {summary.interrupted_office}, the daemon resumed "
        f"at row {summary.resumed_rows:,}"
    )
    return FinalCheck(summary.resumed_rows >= killed_at_row, text)


def check_traffic(traffic: TrafficStats) -> FinalCheck:
    """Whether the simulator saw all rate limits kept, per key and overall."""
    if traffic.violations:
        broken = f"{traffic.violations} of {traffic.requests:,} requests broke a limit: {traffic.first_violation}"
        return FinalCheck(passed=False, text=broken)
    text = f"{traffic.requests:,} requests: never two in flight on a key, every Retry-After and every pace kept"
    return FinalCheck(passed=True, text=text)


async def check_metrics(observer: Observer) -> FinalCheck:
    """Whether the daemon is ready, and its metrics agree with its database on the conditions."""
    listen = observer.log_summary.listen
    ready, _ = await fetch(listen, "GET", "/-/ready")
    reported, stored, families = None, None, 0
    for _ in range(METRICS_TRIES):
        _, metrics = await fetch(listen, "GET", "/metrics")
        await observer.refresh()
        now = datetime.now(UTC)
        stored = Counter(str(each.status.evaluate_at(now).condition) for each in observer.offices)
        reported = Counter({name: int(float(count)) for name, count in CONDITION_METRIC.findall(metrics)})
        families = metrics.count("# TYPE oddaemon_")
        if reported == stored:
            break
        await anyio.sleep(RETRY_SECONDS)
    passed = ready == HTTPStatus.OK and reported == stored
    same = "agree with the database" if reported == stored else "do not agree with the database"
    return FinalCheck(passed, f"/-/ready answers {ready}, and the {families} metric families {same}")


def check_shutdown(status: int | None, seconds: float) -> FinalCheck:
    """Whether SIGTERM stopped the daemon cleanly."""
    if status is None:
        return FinalCheck(passed=False, text="SIGTERM did not stop the daemon in time")
    return FinalCheck(status == 0, f"SIGTERM stopped the daemon with status {status} in {seconds:.1f} s")


def check_logs(summary: LogSummary, children: Sequence[ChildProcess], settings: Settings) -> FinalCheck:
    """Whether no worker crashed, and no log contains a key."""
    logs = "".join(child.log.read_text(encoding="utf-8") for child in children)
    keys = [settings.api.developer_key, *(office.credentials.customer_key for office in settings.offices.values())]
    shown = sum(key.reveal() in logs for key in keys)
    if summary.crashes or shown:
        return FinalCheck(
            passed=False, text=f"{summary.crashes} workers crashed, {shown} keys are in the daemon's logs"
        )
    return FinalCheck(passed=True, text=f"no worker crashed, and none of {len(keys)} keys is in the daemon's logs")
