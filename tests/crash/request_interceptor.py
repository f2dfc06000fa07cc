"""Between the daemon and headquarters: counts what passes and kills the daemon at the request that was chosen."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from http import HTTPStatus

import anyio
import anyio.abc

from oddaemon.simulator.api.messages import ApiRequest, ApiResponse, BrokenConnection, ConnectionFailure, Endpoint
from oddaemon.simulator.headquarters.headquarters import Headquarters
from tests.crash.change_signal import ChangeSignal
from tests.crash.kill_points import KillPoint, KillTrigger

HANG_SECONDS = 0.01
"""How long the daemon is left with half a body: it gets no more whatever it does, and stands there."""


class RequestKind(StrEnum):
    """What a request is about, as far as it matters here."""

    PREFERENCE = "preference"
    CLOCK = "clock"
    CONTROL = "control"
    STATEMENT = "statement"
    PAGE = "page"
    PATCH = "patch"


@dataclass(frozen=True)
class InterceptedRequest:
    """One request that arrived."""

    office_id: str
    kind: RequestKind
    life: int
    at: datetime
    sql: str = field(default="", repr=False)


class RequestInterceptor:
    """Headquarters behind a proxy that passes every request but those it is to stop.

    Attributes:
        requests: Every request of every life so far.
        answered: Those that received what they asked for.
        on_page: Called in front of each answer to a page, with how many pages were asked for so far.
    """

    def __init__(self, headquarters: Headquarters, changes: ChangeSignal, tasks: anyio.abc.TaskGroup) -> None:
        self.requests: list[InterceptedRequest] = []
        self.answered: list[InterceptedRequest] = []
        self.on_page: Callable[[int], Awaitable[None]] = _do_nothing
        self._headquarters = headquarters
        self._changes = changes
        self._tasks = tasks
        self._offices = {key.customer_key: key.office_id for key in headquarters.keys}
        self._life = 0
        self._requests_in_life = 0
        self._kill: KillPoint | None = None
        self._kill_process: Callable[[], None] = _kill_no_process

    def arm_kill(self, kill: KillPoint | None, kill_process: Callable[[], None]) -> None:
        """A new life begins.

        Args:
            kill: When it ends by force; None or one that is not about requests: not here.
            kill_process: Ends it.
        """
        self._life += 1
        self._requests_in_life = 0
        self._kill, self._kill_process = kill, kill_process

    async def handle(self, request: ApiRequest) -> ApiResponse:
        """The response of headquarters, if the request is let through."""
        intercepted = self._record(request)
        self._requests_in_life += 1
        self._changes.notify()
        kill = self._kill if self._kill is not None and self._kill.number == self._requests_in_life else None
        if kill is not None and kill.trigger is KillTrigger.REQUEST:
            self._kill_process()
            await anyio.sleep_forever()  # until the process ends, and the connection with it
        if kill is not None and kill.trigger is KillTrigger.WORK:
            self._tasks.start_soon(kill_after, kill.seconds, self._kill_process)
        if intercepted.kind is RequestKind.PAGE:
            await self.on_page(sum(each.kind is RequestKind.PAGE for each in self.requests))
        answer = await self._headquarters.handle(request)
        if answer.status == HTTPStatus.OK:
            self.answered.append(intercepted)
        if kill is None or kill.trigger not in {KillTrigger.BODY, KillTrigger.ANSWER}:
            return answer
        return self._truncate_and_kill(answer, kill)

    def _truncate_and_kill(self, answer: ApiResponse, kill: KillPoint) -> ApiResponse:
        """The answer, or the beginning of it; nothing more comes over this connection."""
        length = len(answer.body)
        if kill.trigger is KillTrigger.BODY:
            length = min(round(kill.share * length), length - 1)
        seconds = HANG_SECONDS if kill.trigger is KillTrigger.BODY else kill.seconds
        self._tasks.start_soon(kill_after, seconds, self._kill_process)
        return replace(answer, transport_fault=BrokenConnection(ConnectionFailure.STALL, after_bytes=length))

    def _record(self, request: ApiRequest) -> InterceptedRequest:
        office_id = self._offices[request.headers["authorization"].rpartition("/")[2]]
        sql = json.loads(request.body)["SqlCommand"] if request.endpoint is Endpoint.SHORT_QUERY else ""
        intercepted = InterceptedRequest(office_id, _classify_sql(sql), self._life, datetime.now(UTC), sql)
        self.requests.append(intercepted)
        return intercepted


async def kill_after(seconds: float, kill_process: Callable[[], None]) -> None:
    """The life ends by force so much later, if it has not ended by then."""
    await anyio.sleep(seconds)
    kill_process()


def _classify_sql(sql: str) -> RequestKind:
    if not sql:
        return RequestKind.PREFERENCE
    if "GROUP_CONCAT" in sql:
        return RequestKind.STATEMENT
    if "AS Checksum" in sql:
        return RequestKind.CONTROL
    if "DateTStamp" in sql:
        return RequestKind.PATCH
    return RequestKind.PAGE if "AS Balance" in sql else RequestKind.CLOCK


async def _do_nothing(_: int) -> None:
    """Nothing happens."""


def _kill_no_process() -> None:
    """No life to end."""
