"""Open Dental headquarters: it knows the keys, applies the throttle, and passes each request to its office and the log.

This module has no transport and no randomness: it takes a request and returns a response after the (virtual or real)
time that it takes. Documented behaviour is followed exactly; behaviour that was only observed is an option.
"""

from collections.abc import Iterable
from datetime import timedelta

import anyio

from oddaemon.simulator.api import responses
from oddaemon.simulator.api.keys import ApiKey, Mode
from oddaemon.simulator.api.messages import ApiRequest, ApiResponse, Endpoint
from oddaemon.simulator.faults.apply import Stage, apply_response_faults, apply_row_faults, find_rejection
from oddaemon.simulator.faults.faults import (
    Fault,
    FaultSchedule,
    KeyMoved,
    Latency,
    LimitIgnored,
    PartialAging,
    QueryUserRestricted,
    StalePreferences,
)
from oddaemon.simulator.headquarters.endpoints import OfficeCall, RequestRefused, run_query
from oddaemon.simulator.headquarters.options import HeadquartersOptions
from oddaemon.simulator.headquarters.sftp_upload import (
    Uploader,
    UploadRequest,
    parse_upload_request,
    render_csv,
    upload_over_sftp,
)
from oddaemon.simulator.headquarters.throttle import KeyQueue, QueueFullError
from oddaemon.simulator.headquarters.traffic_log import STATEMENTS, RecordedRequest
from oddaemon.simulator.model.world_clock import TimePoint, WorldClock
from oddaemon.simulator.practice.practice import Practice


class Headquarters:
    """Answers the requests for all its practices. Must be created on the running event loop.

    Attributes:
        practices: the practices by office id.
        keys: the customer keys by office id, in the given order.
        faults: the planted faults; more may be added at any time.
        traffic: every completed exchange, in the order of completion.
        in_flight: the number of exchanges in progress.
    """

    def __init__(
        self,
        clock: WorldClock,
        practices: Iterable[Practice],
        keys: Iterable[ApiKey],
        options: HeadquartersOptions | None = None,
        faults: FaultSchedule | None = None,
        *,
        upload: Uploader = upload_over_sftp,
    ) -> None:
        self._upload = upload
        self._statement_ends_at: dict[str, float] = {}
        """By office: on the loop's clock, when the statement ends that had no response in time."""
        self._pending_uploads: list[tuple[UploadRequest, bytes, float]] = []
        self._upload_added = anyio.Event()
        self.options = options or HeadquartersOptions()
        self.practices = {practice.spec.office_id: practice for practice in practices}
        self.keys = tuple(keys)
        self.faults = faults or FaultSchedule()
        self.traffic: list[RecordedRequest] = []
        self.in_flight = 0
        self._clock = clock
        self._opened_at = anyio.current_time()
        self._key_by_customer_key = {key.customer_key: key for key in self.keys}
        self._queue_by_customer_key = {key.customer_key: self._make_queue(key) for key in self.keys}
        for key in self.keys:
            self.practices[key.office_id].tables.insert_key(self.options.developer_name, key.customer_key)

    def now(self) -> TimePoint:
        """The present moment, as faults and the traffic log measure it."""
        return TimePoint(anyio.current_time() - self._opened_at, self._clock.now())

    async def handle(self, request: ApiRequest) -> ApiResponse:
        """Answer one request after its wait in the queue and its execution time. Log it even if it is cancelled."""
        arrived = self._find_arrival(request)
        key = self._find_key(request)
        record = RecordedRequest(
            key=key.name if key else "?",
            office_id=key.office_id if key else "?",
            method=request.method,
            kind=request.endpoint,
            arrived=arrived.instant,
            arrived_seconds=arrived.seconds,
            spacing_seconds=key.spacing_seconds if key else 0.0,
            connection=request.remote,
            client=request.client,
        )
        response: ApiResponse | None = None
        self.in_flight += 1
        try:
            response = await self._process(request, key, arrived, record)
            return response
        finally:
            self.in_flight -= 1
            now = self.now()
            record.finished_seconds = now.seconds
            if response is not None:
                record.retry_after_seconds = responses.parse_retry_after(response, now.instant)
                fault = response.transport_fault
                record.status = response.status if fault is None or fault.after_bytes is not None else None
            self.traffic.append(record)

    def _find_arrival(self, request: ApiRequest) -> TimePoint:
        now = self.now()
        if request.arrived_at is None:
            return now
        waited_seconds = max(0.0, anyio.current_time() - request.arrived_at)
        return TimePoint(now.seconds - waited_seconds, now.instant - timedelta(seconds=waited_seconds))

    async def _process(
        self, request: ApiRequest, key: ApiKey | None, arrived: TimePoint, record: RecordedRequest
    ) -> ApiResponse:
        active_faults = self.faults.match_request(arrived, record.office_id, request.endpoint)
        if response := find_rejection(Stage.GATEWAY, active_faults, request.endpoint) or _check_content_type(request):
            return response
        if key is None:
            return responses.KEY_UNKNOWN
        if not key.is_in_force(arrived.instant):
            return responses.KEY_NOT_ASSIGNED
        unknown = responses.RESOURCE_UNKNOWN if request.endpoint is Endpoint.UNKNOWN else None
        if response := find_rejection(Stage.KEY, active_faults, request.endpoint) or unknown:
            return response
        queue = self._queue_by_customer_key[key.customer_key]
        try:
            async with queue.turn():
                record.started_seconds = self.now().seconds
                try:
                    return await self._serve(queue, request, key, active_faults)
                finally:
                    record.executed_seconds = queue.ends_at - self._opened_at
        except QueueFullError as error:
            return responses.make_too_many_requests(str(error.retry_after_seconds))

    async def _serve(
        self, queue: KeyQueue, request: ApiRequest, key: ApiKey, active_faults: list[Fault]
    ) -> ApiResponse:
        limit_seconds = self.options.processing_limit_seconds
        seconds = self.options.base_seconds + sum(
            fault.seconds for fault in active_faults if isinstance(fault, Latency)
        )
        response = find_rejection(Stage.OFFICE, active_faults, request.endpoint)
        if response is None and request.endpoint is Endpoint.QUERY_UPLOAD:
            return await self._handle_query_upload(queue, request, key, seconds)
        own_seconds = seconds
        if request.endpoint in STATEMENTS:
            seconds += self._get_busy_seconds(key.office_id)
        if response is None and seconds <= limit_seconds:
            response, took_seconds = self._query_office(request, key, active_faults)
            seconds += took_seconds
        if response is None or seconds > limit_seconds:
            if request.endpoint in STATEMENTS:
                ends_at = anyio.current_time() + max(own_seconds, self._get_busy_seconds(key.office_id))
                self._statement_ends_at[key.office_id] = ends_at
            await queue.serve_for(limit_seconds)
            return responses.make_gateway_error(504)
        await queue.serve_for(seconds)
        return apply_response_faults(response, active_faults)

    def _get_busy_seconds(self, office_id: str) -> float:
        """How long a statement that had no response in time still runs: it slows down the next one beside it."""
        now = anyio.current_time()
        return max(0.0, self._statement_ends_at.get(office_id, now) - now)

    async def run_uploads(self) -> None:
        """Run the offices' uploads in the background until cancelled."""
        async with anyio.create_task_group() as tasks:
            while True:
                self._upload_added = anyio.Event()
                while self._pending_uploads:
                    tasks.start_soon(self._run_upload, *self._pending_uploads.pop())
                await self._upload_added.wait()

    async def _run_upload(self, request: UploadRequest, content: bytes, seconds: float) -> None:
        await anyio.sleep(seconds)
        await self._upload(request, content)

    async def _handle_query_upload(
        self, queue: KeyQueue, request: ApiRequest, key: ApiKey, seconds: float
    ) -> ApiResponse:
        """Upload the result of a query: before the response, after it, or even after the gateway gave up."""
        practice, options = self.practices[key.office_id], self.options
        try:
            upload_request = parse_upload_request(request.body)
            rows = run_query(practice, key, upload_request.sql)
        except RequestRefused as error:
            await queue.serve_for(seconds)
            return error.response
        content = render_csv(rows)
        took_seconds = seconds + options.query_seconds + options.row_seconds * len(rows)
        is_late = took_seconds > options.processing_limit_seconds
        if upload_request.is_async or is_late:
            self._pending_uploads.append((upload_request, content, took_seconds))
            self._upload_added.set()
        if upload_request.is_async:
            await queue.serve_for(options.base_seconds)
            return responses.CREATED
        if is_late:
            await queue.serve_for(options.processing_limit_seconds)
            return responses.make_gateway_error(504)
        await queue.serve_for(took_seconds)
        await self._upload(upload_request, content)
        return responses.CREATED

    def _query_office(self, request: ApiRequest, key: ApiKey, active_faults: list[Fault]) -> tuple[ApiResponse, float]:
        office_id = next((fault.to_office_id for fault in active_faults if isinstance(fault, KeyMoved)), key.office_id)
        unlimited = any(isinstance(fault, LimitIgnored) for fault in active_faults)
        practice, readable, stale_seconds = self.practices[office_id], None, 0.0
        for fault in active_faults:
            match fault:
                case PartialAging(families, seconds):
                    practice.start_partial_aging(families, seconds)
                case QueryUserRestricted(tables):
                    readable = tables
                case StalePreferences(age_seconds):
                    stale_seconds = age_seconds
        call = OfficeCall(practice, key, request, self.options, unlimited, readable, stale_seconds)
        try:
            rows, seconds = call.get_rows()
        except RequestRefused as error:
            return error.response, 0.0
        if request.endpoint is Endpoint.SHORT_QUERY:
            rows = apply_row_faults(rows, active_faults)
        return responses.make_rows(rows), seconds

    def _find_key(self, request: ApiRequest) -> ApiKey | None:
        scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
        developer_key, _, customer_key = credentials.strip().partition("/")
        if scheme != "ODFHIR" or developer_key != self.options.developer_key:
            return None
        return self._key_by_customer_key.get(customer_key)

    def _make_queue(self, key: ApiKey) -> KeyQueue:
        return KeyQueue(key.spacing_seconds, None if key.mode is Mode.LOCAL else self.options.waiting_max)


def _check_content_type(request: ApiRequest) -> ApiResponse | None:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json":
        return None
    return responses.CONTENT_TYPE_MISSING
