"""The other side of the benches, as a process of its own: what it answers once it answers again from memory.

Executing SQL costs the simulator more than reading the answer costs a client; only the latter is measured here.
"""

import json
import sys
from datetime import UTC, datetime, timedelta

import anyio

from oddaemon.simulator.api.keys import ApiKey
from oddaemon.simulator.api.messages import ApiRequest, ApiResponse, RequestHandler
from oddaemon.simulator.headquarters.headquarters import Headquarters
from oddaemon.simulator.headquarters.options import HeadquartersOptions
from oddaemon.simulator.model.spec import PracticeSpec
from oddaemon.simulator.model.world_clock import WorldClock
from oddaemon.simulator.practice.practice import Practice
from oddaemon.simulator.transport.server import serve

DEVELOPER_KEY = "bench-developer-key"


class CachingHandler:
    """Answers each request the second time as it did the first."""

    def __init__(self, headquarters: RequestHandler) -> None:
        self._headquarters = headquarters
        self._known: dict[tuple[object, ...], ApiResponse] = {}

    async def handle(self, request: ApiRequest) -> ApiResponse:
        """The answer."""
        key = (
            request.headers.get("authorization"),
            request.method,
            request.path,
            tuple(request.query.items()),
            request.body,
        )
        answer = self._known.get(key)
        if answer is None:
            answer = self._known[key] = await self._headquarters.handle(request)
        return answer


def make_customer_key(office_id: str) -> str:
    """The key of a bench's office."""
    return f"bench-customer-key-{office_id}"


async def main(offices: int, guarantors: int, base_seconds: float) -> None:
    """Serve this number of offices until killed; prints the port on a line of JSON."""
    clock = WorldClock(datetime.now(UTC))
    next_due = clock.now() + timedelta(hours=6)
    last_due = (next_due - timedelta(days=1)).date()
    specs = [
        PracticeSpec(f"office-{number:04}", number, zone="UTC", guarantors=guarantors, settled=guarantors // 4,
                     service_time_due=f"{next_due:%H:%M:%S}", last_aging=last_due)
        for number in range(offices)
    ]  # fmt: skip
    practices = [Practice(spec, clock) for spec in specs]
    keys = [ApiKey(make_customer_key(spec.office_id), spec.office_id, spacing_override_seconds=0.0) for spec in specs]
    options = HeadquartersOptions(developer_key=DEVELOPER_KEY, base_seconds=0.0, query_seconds=0.0)
    site = CachingHandler(Headquarters(clock, practices, keys, options))
    if base_seconds:
        site = SlowHandler(site, base_seconds)
    async with anyio.create_task_group() as tasks:
        port = await tasks.start(serve, site, "127.0.0.1", 0)
        print(json.dumps({"port": port}), flush=True)  # noqa: T201  the protocol of this process


class SlowHandler(CachingHandler):
    """Takes its time for every answer."""

    def __init__(self, site: RequestHandler, seconds: float) -> None:
        super().__init__(site)
        self._seconds = seconds

    async def handle(self, request: ApiRequest) -> ApiResponse:
        """The answer, after a while."""
        await anyio.sleep(self._seconds)
        return await super().handle(request)


if __name__ == "__main__":
    anyio.run(main, int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
