"""Two thousand practices that all age at the same minute, as a process of its own with the control desk beside it.

python -m tests.bench.load_server OFFICES GUARANTORS SECONDS_UNTIL_DUE
"""

import json
import sys
from datetime import UTC, datetime, timedelta

import anyio

from oddaemon.simulator.api.keys import ApiKey
from oddaemon.simulator.headquarters.headquarters import Headquarters
from oddaemon.simulator.headquarters.options import HeadquartersOptions
from oddaemon.simulator.model.spec import PracticeSpec
from oddaemon.simulator.model.world_clock import WorldClock
from oddaemon.simulator.practice.practice import Practice
from oddaemon.simulator.transport.control_api import ControlApi
from oddaemon.simulator.transport.server import serve
from tests.bench.server import DEVELOPER_KEY, make_customer_key

BUILD_SECONDS_PER_OFFICE = 0.03
"""Twice what building one takes here: what is due later than that is due on time."""
RUN_SECONDS = 5.0


async def main(offices: int, guarantors: int, seconds_until_due: float) -> None:
    """Serve until killed; prints the port and the instant at which aging is due on a line of JSON."""
    clock = WorldClock(datetime.now(UTC))
    wait = offices * BUILD_SECONDS_PER_OFFICE + seconds_until_due
    due = (clock.now() + timedelta(seconds=wait)).replace(microsecond=0)
    specs = [
        PracticeSpec(f"office-{number:04}", number, zone="UTC", guarantors=guarantors, settled=guarantors // 4,
                     service_time_due=f"{due:%H:%M:%S}", last_aging=(due - timedelta(days=1)).date(),
                     run_seconds=RUN_SECONDS)
        for number in range(offices)
    ]  # fmt: skip
    practices = [Practice(spec, clock) for spec in specs]
    keys = [ApiKey(make_customer_key(spec.office_id), spec.office_id) for spec in specs]
    options = HeadquartersOptions(developer_key=DEVELOPER_KEY, base_seconds=0.05, query_seconds=0.1)
    headquarters = Headquarters(clock, practices, keys, options)
    async with anyio.create_task_group() as tasks:
        for practice in practices:
            tasks.start_soon(practice.run)
        port = await tasks.start(serve, ControlApi(headquarters), "127.0.0.1", 0)
        print(json.dumps({"port": port, "due": due.timestamp()}), flush=True)  # noqa: T201  the protocol of this process


if __name__ == "__main__":
    anyio.run(main, int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
