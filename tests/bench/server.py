"""The other side of the benches, as a process of its own: what it answers once it answers again from memory.

Executing SQL costs the simulator more than reading the answer costs a client; only the latter is measured here.
"""

import json
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

import anyio

from oddaemon.simulator.api.keys import ApiKey
from oddaemon.simulator.api.messages import ApiRequest, ApiResponse, RequestHandler
from oddaemon.simulator.headquarters.headquarters import Headquarters
from oddaemon.simulator.headquarters.options import HeadquartersOptions
from oddaemon.simulator.model.spec import PracticeSpec
from oddaemon.simulator.model.world_clock import WorldClock
from oddaemon.simulator.practice.practice import Practice
from oddaemon.simulator.practice.preferences import DATE_LAST_AGING
from oddaemon.simulator.transport.server import serve

DEVELOPER_KEY = "bench-developer-key"
CHANGED_SHARE = 0.08
"""Of the guarantors, from one night to the next."""


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


@dataclass(frozen=True)
class ServerSpec:
    """What a server is started with, as JSON."""

    offices: int
    guarantors: int
    base_seconds: float = 0.0
    """Before each answer."""
    pat_nums: Literal["dense", "sparse", "random"] = "dense"
    clinics: int = 0
    practices: int = 0
    """That answer for all of the offices; 0: each has its own."""
    has_second_night: bool = False
    """Each office exists twice, the second time as it is a night later; `name_second_night` has its id."""


def name_second_night(office_id: str) -> str:
    """The id of an office as it is a night later."""
    return f"{office_id}-later"


async def main(wanted: ServerSpec) -> None:
    """Serve until killed; prints the port on a line of JSON."""
    clock = WorldClock(datetime.now(UTC))
    count = wanted.practices or wanted.offices
    practices = [practice for number in range(count) for practice in _make_practices(wanted, number, clock)]
    names = {_name_office(number): _name_office(number % count) for number in range(wanted.offices)}
    if wanted.has_second_night:
        names |= {name_second_night(office): name_second_night(practice) for office, practice in names.items()}
    keys = [
        ApiKey(make_customer_key(office), practice, spacing_override_seconds=0.0) for office, practice in names.items()
    ]
    options = HeadquartersOptions(developer_key=DEVELOPER_KEY, base_seconds=0.0, query_seconds=0.0)
    site = CachingHandler(Headquarters(clock, practices, keys, options))
    if wanted.base_seconds:
        site = SlowHandler(site, wanted.base_seconds)
    async with anyio.create_task_group() as tasks:
        port = await tasks.start(serve, site, "127.0.0.1", 0)
        print(json.dumps({"port": port}), flush=True)  # noqa: T201  the protocol of this process


def _name_office(number: int) -> str:
    return f"office-{number:04}"


def _make_practices(wanted: ServerSpec, number: int, clock: WorldClock) -> list[Practice]:
    """One office, or one of this night and one of the next."""
    due = clock.now() + timedelta(hours=6)
    aged = (due - timedelta(days=1)).date()
    spec = PracticeSpec(_name_office(number), number, zone="UTC", guarantors=wanted.guarantors,
                        settled=wanted.guarantors // 4, pat_nums=wanted.pat_nums, clinics=wanted.clinics,
                        service_time_due=f"{due:%H:%M:%S}", last_aging=aged)  # fmt: skip
    first = Practice(spec, clock)
    if not wanted.has_second_night:
        return [first]
    first.set_preference(DATE_LAST_AGING, (aged - timedelta(days=1)).isoformat())
    second = Practice(replace(spec, office_id=name_second_night(spec.office_id)), clock)
    second.post_activity(int(wanted.guarantors * CHANGED_SHARE))
    return [first, second]


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
    anyio.run(main, ServerSpec(**json.loads(sys.argv[1])))
