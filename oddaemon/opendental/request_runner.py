"""One request to an office: rate-limited, sent with an accepted key, observed.

Every failure leaves as an `ApiError` with its `Failure`. Keys leave only in the `Authorization` header.
"""

from collections.abc import AsyncIterator, Callable, Generator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache, partial
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
import httpx

from oddaemon.core.failures.classify import refine_unproven_key
from oddaemon.core.failures.failure import Failure, FailureKind
from oddaemon.core.failures.origin import HOST_FAILURES, OUTAGE_FAILURES
from oddaemon.core.model import OfficeCredentials
from oddaemon.core.secret import Secret
from oddaemon.core.snapshot.packing import PackedColumnTruncated
from oddaemon.http_client.proxy import Proxy
from oddaemon.opendental.circuit_breaker import CircuitBreaker, Outage
from oddaemon.opendental.decode_values import MalformedValue, Row
from oddaemon.opendental.document import decode_rows
from oddaemon.opendental.key_ring import KEY_REJECTED_KINDS, KEY_RETRY_SECONDS, KeyRing
from oddaemon.opendental.rate_limiter import KeyLimiter
from oddaemon.opendental.response import (
    ApiError,
    Limits,
    Response,
    classify_error_response,
    extract_error_text,
    find_error_in_success,
    send_request,
)
from oddaemon.telemetry.events import (
    ApiHostUnusable,
    ApiHostUsable,
    HeadquartersDown,
    HeadquartersRecovered,
    KeyRejectedDuringRotation,
    KeyRotated,
    PeerErrorUnforeseen,
    RequestFinished,
    RequestStarted,
)
from oddaemon.telemetry.events.base import Event
from oddaemon.telemetry.logging.traceback import format_traceback

Observer = Callable[[Event], None]
_QUERY_KINDS = {"short_query", "query_upload"}
_WITHOUT_ROWS = {"query_upload"}
THREAD_BYTES_MIN = 65_536
"""A body of this size is decoded in a millisecond; a larger one in a thread: a whole office never stops the loop."""
URLS_MAX = 1024
"""Remembered: an office is asked for the same few preferences all day long."""
DECODER_THREADS = 2
"""Large bodies that are decoded at one instant: they bound the memory that decoding takes."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RequestContext:
    """What the requests to one office share."""

    credentials: OfficeCredentials
    keys: KeyRing
    key_limiter: KeyLimiter
    circuit_breaker: CircuitBreaker
    """The state of the office's headquarters."""
    limits: Limits
    observe: Observer
    now: Callable[[], datetime]
    """The wall clock, for a Retry-After that is a date."""
    decoder_limiter: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(DECODER_THREADS))
    """Threads that decode large bodies."""
    proxy: Proxy | None = None
    """Between this machine and the API; None: none."""


class Request(NamedTuple):
    """One request, before it is addressed to an office."""

    kind: str
    method: str
    path: str
    params: dict[str, str] | None = None
    content: bytes | None = None


@dataclass(slots=True)
class _Exchange:
    """What is known of a response so far."""

    status: int | None = None
    size: int = 0


@dataclass(frozen=True, slots=True)
class KeyAuth(httpx.Auth):
    """Authorizes requests with one pair of keys. Only this reveals a key to the API; no local variable holds one."""

    developer_key: Secret
    customer_key: Secret

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Write the header just before the request is sent."""
        request.headers["Authorization"] = f"ODFHIR {self.developer_key.reveal()}/{self.customer_key.reveal()}"
        yield request

    @property
    def secrets(self) -> tuple[Secret, Secret]:
        """What a server may echo and no failure may quote."""
        return self.developer_key, self.customer_key


class RequestRunner:
    """Sends the requests of one action of one office, one after another, and counts them.

    Args:
        context: What they share with the office's other requests.
        client: The connection, used by this runner only.
        configured_only: Use the configured key only, even while the previous one would still work.
    """

    def __init__(self, context: RequestContext, client: httpx.AsyncClient, *, configured_only: bool = False) -> None:
        self._context = context
        self._office_id = context.credentials.office_id
        self._circuit_breaker = context.circuit_breaker
        self._client = client
        self._configured_only = configured_only
        self._auth = KeyAuth(context.credentials.developer_key, context.keys.current)
        """Of the client's requests."""
        self._is_accepted = False
        """Whether the API accepted these keys; all later requests then use them."""
        self._is_connected = False
        """Whether a response came over the connection, so that the next request finds it open."""
        self.requests = 0
        """The requests sent for this action, those of an interrupted attempt included."""
        self.response_seconds = 0.0
        """The duration of the requests, without the time spent waiting for the rate limiter."""

    async def run(self, request: Request, parse: Callable[[Sequence[Row]], T]) -> T:
        """Send a request and parse the rows of its response; the first request finds the key that is accepted.

        Raises:
            ApiError: The request failed, the rows are not what `parse` expects, or the API accepts no key.
            ShuttingDown: The daemon is stopping.
        """
        if self._is_accepted:
            return await self._send(request, parse)
        keys, now = self._context.keys, anyio.current_time()
        last = ApiError(Failure(FailureKind.KEY_CHANGING))
        for key in (keys.current,) if self._configured_only else keys.list_candidates(now):
            self._client.auth = self._auth = KeyAuth(self._context.credentials.developer_key, key)
            try:
                result = await self._send(request, parse)
            except ApiError as error:
                last = self._record_rejected(error, now)
            else:
                self._record_accepted()
                return result
        failure = replace(last.failure, kind=FailureKind.KEY_CHANGING, retry_after_seconds=KEY_RETRY_SECONDS)
        raise ApiError(failure, last.error_text)

    def _record_accepted(self) -> None:
        self._is_accepted = True
        if self._context.keys.record_accepted(self._auth.customer_key):
            self._context.observe(KeyRotated(self._office_id))

    def _record_rejected(self, error: ApiError, now: float) -> ApiError:
        """Remember that the key was rejected while a change of keys settles. Returns the refined error.

        Raises:
            ApiError: Another key cannot help: the failure has another cause, or no other key may be used.
        """
        keys, key = self._context.keys, self._auth.customer_key
        if keys.is_unproven and key == keys.current:
            error = ApiError(refine_unproven_key(error.failure), error.error_text)
        if error.failure.kind not in KEY_REJECTED_KINDS or not keys.is_rotating(now):
            raise error from None
        keys.record_rejected(key, now)
        until = self._context.now() + timedelta(seconds=keys.get_seconds_left(now))
        which = "new" if key == keys.current else "old"
        self._context.observe(KeyRejectedDuringRotation(self._office_id, which, until))
        if self._configured_only:
            raise error from None
        return error

    @asynccontextmanager
    async def _take_turn(self, kind: str) -> AsyncIterator[_Exchange]:
        """Wait until the rate limiter and the circuit breaker allow a request, and report the request in the block."""
        breaker = self._circuit_breaker
        self._require_closed_circuit()
        async with self._context.key_limiter.acquire(kind, opens_connection=not self._is_connected) as waited:
            self._require_closed_circuit()
            breaker.record_start(self._office_id, anyio.current_time())
            self.requests += 1
            try:
                with self._observe(kind, waited) as exchange:
                    yield exchange
            except ApiError as error:
                self._context.key_limiter.retry_after_seconds = error.failure.retry_after_seconds
                if error.failure.kind not in OUTAGE_FAILURES or breaker.outage is None or breaker.outage.is_ours:
                    raise
                # Headquarters failed, not this office: it must not back off on its own account.
                raise ApiError(Failure(FailureKind.HEADQUARTERS_DOWN, error.failure.sentence)) from None

    async def _send(self, request: Request, parse: Callable[[Sequence[Row]], T]) -> T:
        """Send the request and parse its response; a large one in a thread, so that other offices need not wait.

        Raises:
            ApiError: There is no response, or it is an error, reports one in spite of its status, or is malformed.
        """
        url = _make_url(self._context.credentials.base_url, request.path, tuple((request.params or {}).items()))
        http_request = self._client.build_request(request.method, url, content=request.content)
        async with self._take_turn(request.kind) as exchange:
            response = await send_request(
                self._client,
                http_request,
                self._context.limits,
                self._choose_callback(),
                self._context.proxy,
            )
            self._is_connected = True
            exchange.status, exchange.size = response.status, len(response.body)
            secrets, is_query = self._auth.secrets, request.kind in _QUERY_KINDS
            if not httpx.codes.is_success(response.status):
                failure = classify_error_response(response, secrets, self._context.now(), is_query=is_query)
                raise ApiError(failure, extract_error_text(response, secrets))
            if request.kind in _WITHOUT_ROWS:
                reported = find_error_in_success(response, secrets, is_query=is_query)
                if reported is None:
                    return parse(())
                raise ApiError(reported, extract_error_text(response, secrets))
            call = partial(parse_response, response, parse)
            try:
                if len(response.body) <= THREAD_BYTES_MIN:
                    return call()
                async with self._context.decoder_limiter:
                    return await anyio.to_thread.run_sync(call)
            except ApiError as error:
                reported = find_error_in_success(response, secrets, is_query=is_query)
                if reported is None or error.failure.kind is not FailureKind.MALFORMED:
                    raise
            raise ApiError(reported, extract_error_text(response, secrets))

    def _choose_callback(self) -> Callable[[], None] | None:
        """What is called when the present request leaves.

        Without a permit only the first one matters: the later ones find the connection open, and leave at once.
        """
        key_limiter = self._context.key_limiter
        return key_limiter.record_sent if not self._is_connected or key_limiter.permit is not None else None

    @contextmanager
    def _observe(self, kind: str, waited: float) -> Iterator[_Exchange]:
        """Report how a request started and finished, and share what it showed about the API's host."""
        office, exchange, started = self._office_id, _Exchange(), anyio.current_time()
        outcome = "cancelled"
        failure: Failure | None = None
        try:
            self._context.observe(RequestStarted(office, kind))
            yield exchange
            outcome = "ok"
        except MemoryError:
            failure = Failure(FailureKind.MEMORY_EXHAUSTED)
            outcome = failure.kind.value
            raise ApiError(failure) from None
        except ApiError as error:
            failure = error.failure
            outcome, exchange.status = failure.kind.value, failure.status or exchange.status
            if (unforeseen := error.unforeseen) is not None:
                self._context.observe(
                    PeerErrorUnforeseen(f"office {office}", type(unforeseen).__name__, format_traceback(unforeseen))
                )
            raise
        finally:
            seconds = anyio.current_time() - started
            self.response_seconds += seconds
            self._context.observe(
                RequestFinished(office, kind, outcome, exchange.status, seconds, waited, exchange.size)
            )
            self._update_circuit_breaker(failure, is_over=outcome != "cancelled")

    def _require_closed_circuit(self) -> None:
        if (refusal := self._circuit_breaker.refuse(self._office_id, anyio.current_time())) is not None:
            raise ApiError(refusal)

    def _update_circuit_breaker(self, failure: Failure | None, *, is_over: bool) -> None:
        """Share what this request showed about the API's host with all its offices."""
        breaker, now = self._circuit_breaker, anyio.current_time()
        before = breaker.outage
        if not is_over or (failure is not None and failure.kind in HOST_FAILURES):
            breaker.record_cancelled(self._office_id)
        elif failure is not None and failure.kind in OUTAGE_FAILURES:
            breaker.record_failure(self._office_id, now, failure)
        else:
            breaker.record_response(now)
        self._emit_outage(before, breaker.outage, now)

    def _emit_outage(self, before: Outage | None, after: Outage | None, now: float) -> None:
        """Report that an outage began or ended; one that turns out to have another cause ends, and another begins."""
        host = get_host(self._context.credentials.base_url)
        if before is not None and (after is None or after.is_ours is not before.is_ours):
            seconds = now - before.since
            self._context.observe(
                ApiHostUsable(host, seconds) if before.is_ours else HeadquartersRecovered(host, seconds)
            )
        if after is not None and (before is None or after.is_ours is not before.is_ours):
            cause = after.cause
            self._context.observe(
                ApiHostUnusable(host, cause.kind, cause.sentence) if after.is_ours else HeadquartersDown(host)
            )


@lru_cache(URLS_MAX)
def _make_url(base_url: str, path: str, params: tuple[tuple[str, str], ...]) -> httpx.URL:
    """The address of a request. To parse it takes httpx longer than the rest of making the request."""
    return httpx.URL(base_url.rstrip("/") + path, params=params or None)


def get_host(base_url: str) -> str:
    """The host of a URL as written: httpx raises for some that cannot be host names."""
    return urlsplit(base_url).hostname or ""


def parse_response(response: Response, parse: Callable[[Sequence[Row]], T]) -> T:
    """Decode and parse the rows of a response.

    Raises:
        ApiError: It is malformed, or the server cut a packed column.
    """
    try:
        return parse(decode_rows(response.body, response.charset))
    except PackedColumnTruncated as error:
        raise ApiError(Failure(FailureKind.COLUMN_TRUNCATED, str(error))) from None
    except MalformedValue as error:
        raise ApiError(Failure(FailureKind.MALFORMED, str(error))) from None
    except Exception as error:  # noqa: BLE001 - a response must not end the worker, whatever a parser trips over
        message = f"the parser failed with {type(error).__name__}"
        raise ApiError(Failure(FailureKind.MALFORMED, message), unforeseen=error) from None
