"""What else must be right in the morning, besides the offices: the daemon's manners, its metrics, its discretion."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus

import anyio

from oddaemon.cli.demo.child import Child
from oddaemon.cli.demo.desk import Traffic, fetched
from oddaemon.cli.demo.told import Told
from oddaemon.cli.demo.watch import Watch
from oddaemon.settings import Settings

CONDITION_METRIC = re.compile(r'^oddaemon_offices\{condition="(\w+)"\} (\S+)$', re.MULTILINE)
EARLY_SHARE_MAX = 0.05
METRICS_TRIES = 10
TRY_AGAIN_SECONDS = 0.2
"""An office may be seen on its way from one condition to the next."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that is right or not, told either way."""

    right: bool
    text: str


def resumed(told: Told, killed_at_row: int) -> Check:
    """Whether the pull that was cut off went on where it stood."""
    if not killed_at_row:
        return Check(right=False, text=f"the daemon was not killed while it read {told.victim}: no page came in time")
    text = f"killed with SIGKILL after row {killed_at_row:,} of {told.victim}, it went on at row {told.resumed_rows:,}"
    return Check(told.resumed_rows >= killed_at_row, text)


def polite(traffic: Traffic) -> Check:
    """Whether the simulator saw the throttle kept, on every key and over all.

    A request that is held up on its way makes the one behind it look early, so a few of those prove nothing.
    """
    if traffic.rude or traffic.early > EARLY_SHARE_MAX * traffic.requests:
        impolite = f"{traffic.rude} of {traffic.requests:,} requests were impolite, {traffic.early} early"
        return Check(right=False, text=f"{impolite}: {traffic.first}")
    text = f"{traffic.requests:,} requests: never two in flight on a key, every Retry-After kept, at its key's pace"
    late = f" ({traffic.early} looked early on this busy machine)" if traffic.early else ""
    return Check(right=True, text=text + late)


async def observable(watch: Watch) -> Check:
    """Whether the daemon says that it is ready, and its metrics tell of the same conditions as its database."""
    listen = watch.told.listen
    ready, _ = await fetched(listen, "GET", "/-/ready")
    told, stored, families = None, None, 0
    for _ in range(METRICS_TRIES):
        _, metrics = await fetched(listen, "GET", "/metrics")
        await watch.look()
        now = datetime.now(UTC)
        stored = Counter(str(known.status(now).standing.at(now).condition) for known in watch.fleet)
        told = Counter({name: int(float(count)) for name, count in CONDITION_METRIC.findall(metrics)})
        families = metrics.count("# TYPE oddaemon_")
        if told == stored:
            break
        await anyio.sleep(TRY_AGAIN_SECONDS)
    right = ready == HTTPStatus.OK and told == stored
    same = "agree with the database" if told == stored else "do not agree with the database"
    return Check(right, f"/-/ready answers {ready}, and the {families} families of /metrics {same}")


def stopped(status: int | None, seconds: float) -> Check:
    """Whether SIGTERM ended the daemon in good order."""
    if status is None:
        return Check(right=False, text="SIGTERM did not end the daemon in time")
    return Check(status == 0, f"SIGTERM ended the daemon with status {status} in {seconds:.1f} s")


def quiet(told: Told, children: Sequence[Child], settings: Settings) -> Check:
    """Whether no worker crashed, and no key stands in any log."""
    logs = "".join(child.log.read_text(encoding="utf-8") for child in children)
    keys = [settings.api.developer_key, *(office.customer_key for office in settings.offices)]
    shown = sum(key.reveal() in logs for key in keys)
    if told.crashes or shown:
        return Check(right=False, text=f"{told.crashes} workers crashed, {shown} keys stand in the daemon's logs")
    return Check(right=True, text=f"no worker crashed, and none of {len(keys)} keys stands in the daemon's logs")
