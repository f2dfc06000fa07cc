"""Between the daemon and headquarters: counts what passes and kills the daemon at the request that was chosen."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from http import HTTPStatus

import anyio
import anyio.abc

from oddaemon.simulator.api.messages import ApiRequest, ApiResponse, ConnectionFailure, Endpoint, TransportFault
from oddaemon.simulator.headquarters.headquarters import Headquarters
from tests.crash.kills import Kill, Moment
from tests.crash.news import News

STANDS_SECONDS = 0.01
"""How long the daemon is left with half a body: it gets no more whatever it does, and stands there."""


class Asked(StrEnum):
    """What a request is about, as far as it matters here."""

    PREFERENCE = "preference"
    CLOCK = "clock"
    CONTROL = "control"
    STATEMENT = "statement"
    PAGE = "page"
    PATCH = "patch"


@dataclass(frozen=True)
class Seen:
    """One request that arrived."""

    office_id: str
    asked: Asked
    life: int
    at: datetime
    sql: str = field(default="", repr=False)


class Ambush:
    """Headquarters, with somebody in front who lets everything pass but what he was told to stop.

    Attributes:
        seen: Every request of every life so far.
        fetched: Those that were answered with what they asked for.
        on_page: Called in front of each answer to a page, with how many pages were asked for so far.
    """

    def __init__(self, headquarters: Headquarters, news: News, tasks: anyio.abc.TaskGroup) -> None:
        self.seen: list[Seen] = []
        self.fetched: list[Seen] = []
        self.on_page: Callable[[int], Awaitable[None]] = _lets_pass
        self._headquarters = headquarters
        self._news = news
        self._tasks = tasks
        self._offices = {key.customer_key: key.office_id for key in headquarters.keys}
        self._life = 0
        self._in_life = 0
        self._kill: Kill | None = None
        self._strike: Callable[[], None] = _nobody

    def arm(self, kill: Kill | None, strike: Callable[[], None]) -> None:
        """A new life begins.

        Args:
            kill: When it ends by force; None or one that is not about requests: not here.
            strike: Ends it.
        """
        self._life += 1
        self._in_life = 0
        self._kill, self._strike = kill, strike

    async def handle(self, request: ApiRequest) -> ApiResponse:
        """What headquarters says, if it is let pass."""
        seen = self._see(request)
        self._in_life += 1
        self._news.ring()
        kill = self._kill if self._kill is not None and self._kill.number == self._in_life else None
        if kill is not None and kill.moment is Moment.REQUEST:
            self._strike()
            await anyio.sleep_forever()  # until the connection goes with the process
        if kill is not None and kill.moment is Moment.WORK:
            self._tasks.start_soon(strike_after, kill.seconds, self._strike)
        if seen.asked is Asked.PAGE:
            await self.on_page(sum(each.asked is Asked.PAGE for each in self.seen))
        answer = await self._headquarters.handle(request)
        if answer.status == HTTPStatus.OK:
            self.fetched.append(seen)
        if kill is None or kill.moment not in {Moment.BODY, Moment.ANSWER}:
            return answer
        return self._ending_with(answer, kill)

    def _ending_with(self, answer: ApiResponse, kill: Kill) -> ApiResponse:
        """The answer, or the beginning of it; nothing more comes over this connection."""
        length = len(answer.body)
        if kill.moment is Moment.BODY:
            length = min(round(kill.share * length), length - 1)
        seconds = STANDS_SECONDS if kill.moment is Moment.BODY else kill.seconds
        self._tasks.start_soon(strike_after, seconds, self._strike)
        return replace(answer, transport_fault=TransportFault(ConnectionFailure.STALL, after_bytes=length))

    def _see(self, request: ApiRequest) -> Seen:
        office_id = self._offices[request.headers["authorization"].rpartition("/")[2]]
        sql = json.loads(request.body)["SqlCommand"] if request.endpoint is Endpoint.SHORT_QUERY else ""
        seen = Seen(office_id, _asked(sql), self._life, datetime.now(UTC), sql)
        self.seen.append(seen)
        return seen


async def strike_after(seconds: float, strike: Callable[[], None]) -> None:
    """The life ends by force so much later, if it has not ended by then."""
    await anyio.sleep(seconds)
    strike()


def _asked(sql: str) -> Asked:
    if not sql:
        return Asked.PREFERENCE
    if "GROUP_CONCAT" in sql:
        return Asked.STATEMENT
    if "AS Checksum" in sql:
        return Asked.CONTROL
    if "DateTStamp" in sql:
        return Asked.PATCH
    return Asked.PAGE if "AS Balance" in sql else Asked.CLOCK


async def _lets_pass(_: int) -> None:
    """Nothing happens."""


def _nobody() -> None:
    """No life to end."""
