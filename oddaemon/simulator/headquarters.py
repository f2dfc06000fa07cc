"""Open Dental headquarters: knows the keys, keeps the throttle, hands each request to its office, logs it.

No transport and no randomness in here: a request value comes in, an answer value goes out after the (virtual or real)
time that it takes. What the documentation says is done to the letter; what was only observed is an option.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import anyio

from oddaemon.simulator import answers
from oddaemon.simulator.api import ApiAnswer, ApiRequest, Kind
from oddaemon.simulator.calls import RefusalError, office_rows, query_rows
from oddaemon.simulator.clock import WorldClock
from oddaemon.simulator.damage import (
    altered,
    before_the_office,
    damaged,
    extra_seconds,
    ignores_limit,
    key_trouble,
    office_trouble,
)
from oddaemon.simulator.faults import FaultBoard, KeyMoved, Moment, Struck
from oddaemon.simulator.keys import ApiKey, Mode
from oddaemon.simulator.options import Options
from oddaemon.simulator.practice import Practice
from oddaemon.simulator.throttle import Lane, QueueFullError
from oddaemon.simulator.traffic import Exchange
from oddaemon.simulator.uploading import Uploader, UploadOrder, csv_of, order_of, sftp_upload


class Headquarters:
    """Answers every request for the practices behind it. Must be made on the running event loop.

    Attributes:
        practices: the practices by office id.
        keys: the customer keys by office id, in the order given.
        faults: the troubles planted; more may be planted at any time.
        traffic: every exchange that is over, in the order in which they ended.
        in_flight: how many are not.
    """

    def __init__(
        self,
        clock: WorldClock,
        practices: Iterable[Practice],
        keys: Iterable[ApiKey],
        options: Options | None = None,
        faults: FaultBoard | None = None,
        *,
        upload: Uploader = sftp_upload,
    ) -> None:
        self._upload = upload
        self._errands: list[_Errand] = []
        self._new_errand = anyio.Event()
        self.options = options or Options()
        self.practices = {practice.spec.office_id: practice for practice in practices}
        self.keys = tuple(keys)
        self.faults = faults or FaultBoard()
        self.traffic: list[Exchange] = []
        self.in_flight = 0
        self._clock = clock
        self._opened_at = anyio.current_time()
        self._key_of = {key.customer_key: key for key in self.keys}
        self._lane_of = {key.customer_key: self._lane(key) for key in self.keys}
        for key in self.keys:
            self.practices[key.office_id].grant_key(self.options.developer_name, key.customer_key)

    def moment(self) -> Moment:
        """Now, as faults and the traffic log tell it."""
        return Moment(anyio.current_time() - self._opened_at, self._clock.now())

    async def answer(self, request: ApiRequest) -> ApiAnswer:
        """Answer one request, after the time that its turn and its execution take; log it, even if it is cancelled."""
        arrived = self.moment()
        key = self._authorised(request)
        visit = _Visit(request, key, arrived)
        answer: ApiAnswer | None = None
        self.in_flight += 1
        try:
            answer = await self._handle(visit)
            return answer
        finally:
            self.in_flight -= 1
            self.traffic.append(visit.over(answer, self.moment()))

    async def _handle(self, visit: "_Visit") -> ApiAnswer:
        struck = self.faults.strike(visit.arrived, visit.office_id, visit.request.kind)
        key = visit.key
        if answer := before_the_office(struck) or _malformed(visit.request):
            return answer
        if key is None:
            return answers.sentence(401, answers.KEY_UNKNOWN)
        if not key.is_in_force(visit.arrived.instant):
            return answers.sentence(400, answers.KEY_NOT_ASSIGNED)
        if answer := key_trouble(struck) or _unknown_resource(visit.request):
            return answer
        lane = self._lane_of[key.customer_key]
        try:
            async with lane.turn():
                visit.started_seconds = self.moment().seconds
                return await self._in_turn(lane, visit.request, key, struck)
        except QueueFullError as full:
            return answers.too_many(str(full.retry_after_seconds))

    async def _in_turn(self, lane: Lane, request: ApiRequest, key: ApiKey, struck: list[Struck]) -> ApiAnswer:
        limit_seconds = self.options.processing_limit_seconds
        seconds = self.options.base_seconds + extra_seconds(struck)
        answer = office_trouble(struck, request.kind)
        if answer is None and request.kind is Kind.QUERY_UPLOAD:
            return await self._query_upload(lane, request, key, seconds)
        if answer is None and seconds <= limit_seconds:
            answer, took_seconds = self._ask_office(request, key, struck)
            seconds += took_seconds
        if answer is None or seconds > limit_seconds:
            await lane.serve_for(limit_seconds)
            return answers.gateway(504)
        await lane.serve_for(seconds)
        return damaged(answer, struck)

    async def run_errands(self) -> None:
        """The offices' uploads that nobody waits for, for ever."""
        async with anyio.create_task_group() as tasks:
            while True:
                self._new_errand = anyio.Event()
                while self._errands:
                    tasks.start_soon(self._run, self._errands.pop())
                await self._new_errand.wait()

    def _send(self, errand: "_Errand") -> None:
        self._errands.append(errand)
        self._new_errand.set()

    async def _run(self, errand: "_Errand") -> None:
        await anyio.sleep(errand.seconds)
        await self._upload(errand.order, errand.content)

    async def _query_upload(self, lane: Lane, request: ApiRequest, key: ApiKey, seconds: float) -> ApiAnswer:
        """Upload what a query brings: before the answer, after it, or although the gateway gave up waiting."""
        practice, options = self.practices[key.office_id], self.options
        try:
            order = order_of(request.body)
            rows = query_rows(practice, key, order.sql)
        except RefusalError as refusal:
            await lane.serve_for(seconds)
            return refusal.answer
        content = csv_of(rows)
        took_seconds = seconds + options.query_seconds + options.row_seconds * len(rows)
        if order.is_async:
            self._send(_Errand(order, content, took_seconds))
            await lane.serve_for(options.base_seconds)
            return answers.created()
        if took_seconds > options.processing_limit_seconds:
            self._send(_Errand(order, content, took_seconds))
            await lane.serve_for(options.processing_limit_seconds)
            return answers.gateway(504)
        await lane.serve_for(took_seconds)
        await self._upload(order, content)
        return answers.created()

    def _ask_office(self, request: ApiRequest, key: ApiKey, struck: list[Struck]) -> tuple[ApiAnswer, float]:
        practice = self.practices[_office_behind(key, struck)]
        try:
            rows, seconds = office_rows(practice, key, request, self.options, unlimited=ignores_limit(struck))
        except RefusalError as refusal:
            return refusal.answer, 0.0
        if request.kind is Kind.SHORT_QUERY:
            rows = altered(rows, struck)
        return answers.rows(rows), seconds

    def _authorised(self, request: ApiRequest) -> ApiKey | None:
        scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
        developer_key, _, customer_key = credentials.strip().partition("/")
        if scheme != "ODFHIR" or developer_key != self.options.developer_key:
            return None
        return self._key_of.get(customer_key)

    def _lane(self, key: ApiKey) -> Lane:
        return Lane(key.spacing_seconds, None if key.mode is Mode.LOCAL else self.options.waiting_max)


@dataclass(frozen=True)
class _Errand:
    """An upload that is under way."""

    order: UploadOrder
    content: bytes
    seconds: float


@dataclass
class _Visit:
    """One request on its way through headquarters."""

    request: ApiRequest
    key: ApiKey | None
    arrived: Moment
    started_seconds: float | None = None

    @property
    def office_id(self) -> str:
        return self.key.office_id if self.key else "?"

    def over(self, answer: ApiAnswer | None, now: Moment) -> Exchange:
        sent = answer is not None and (answer.wire is None or answer.wire.after_bytes is not None)
        return Exchange(
            key=self.key.name if self.key else "?",
            office_id=self.office_id,
            method=self.request.method,
            kind=self.request.kind,
            arrived=self.arrived.instant,
            arrived_seconds=self.arrived.seconds,
            started_seconds=self.started_seconds,
            finished_seconds=now.seconds,
            status=answer.status if answer is not None and sent else None,
            retry_after_seconds=_told_to_wait_seconds(answer, now.instant),
            spacing_seconds=self.key.spacing_seconds if self.key else 0.0,
            connection=self.request.remote,
        )


def _told_to_wait_seconds(answer: ApiAnswer | None, now: datetime) -> float | None:
    return None if answer is None else answers.retry_after_seconds(answer, now)


def _office_behind(key: ApiKey, struck: list[Struck]) -> str:
    for each in struck:
        if isinstance(each.fault, KeyMoved):
            return each.fault.to_office_id
    return key.office_id


def _malformed(request: ApiRequest) -> ApiAnswer | None:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json":
        return None
    return answers.sentence(400, answers.CONTENT_TYPE_MISSING)


def _unknown_resource(request: ApiRequest) -> ApiAnswer | None:
    return answers.sentence(404, answers.RESOURCE_UNKNOWN) if request.kind is Kind.UNKNOWN else None
