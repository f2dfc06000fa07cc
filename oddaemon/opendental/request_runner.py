"""One question to an office and its answer: in its turn, with the key that is in force, and told to whoever watches.

Every failure leaves as `ApiError` with the `Failure` it was named, and no key leaves at all but in the header it
belongs in.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit

import anyio
import httpx

from oddaemon.core.failures.classify import refine_unproven_key
from oddaemon.core.failures.failure import Failure, FailureKind
from oddaemon.opendental.circuit_breaker import OUTAGE_KINDS, CircuitBreaker
from oddaemon.opendental.decode_values import MalformedValue
from oddaemon.opendental.key_ring import KEY_REJECTED_KINDS, KEY_RETRY_SECONDS, KeyRing
from oddaemon.opendental.rate_limiter import KeyLimiter
from oddaemon.opendental.response import (
    ApiError,
    Response,
    classify_error_response,
    classify_transport_error,
    send_request,
)
from oddaemon.telemetry.events import (
    HeadquartersDown,
    HeadquartersRecovered,
    HeadquartersUnused,
    KeyRejectedDuringRotation,
    KeyRotated,
    RequestFinished,
    RequestStarted,
)

ApiEvent = (
    RequestStarted
    | RequestFinished
    | HeadquartersDown
    | HeadquartersRecovered
    | HeadquartersUnused
    | KeyRotated
    | KeyRejectedDuringRotation
)
Observer = Callable[[ApiEvent], None]
S = TypeVar("S")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how large an answer may be."""

    connect_timeout_seconds: float
    request_timeout_seconds: float
    max_response_bytes: int


@dataclass(frozen=True, slots=True)
class OfficeCredentials:
    """What it takes to ask one office."""

    office_id: str
    base_url: str
    developer_key: str = field(repr=False)
    keys: KeyRing = field(repr=False)
    min_interval_seconds: float
    remote: bool


@dataclass(frozen=True, slots=True)
class RequestContext:
    """What the exchanges of all offices share."""

    limits: Limits
    observe: Observer
    now: Callable[[], datetime]
    """The wall clock, for a Retry-After that is a date."""


class Request(NamedTuple):
    """One request, before it is anybody's."""

    kind: str
    method: str
    path: str
    params: dict[str, str] | None = None
    content: bytes | None = None


class RequestRunner:
    """Questions of one action of one office, one after another, and what they cost.

    Args:
        credentials: What it takes to ask.
        key_limiter: Of the office's key.
        circuit_breaker: What is known of its headquarters.
        client: The connection; nobody else's.
        context: What all share.
        configured_only: The former key of a change is of no help: it is the configured one that is looked at.
    """

    def __init__(
        self,
        credentials: OfficeCredentials,
        key_limiter: KeyLimiter,
        circuit_breaker: CircuitBreaker,
        client: httpx.AsyncClient,
        context: RequestContext,
        *,
        configured_only: bool = False,
    ) -> None:
        self._credentials = credentials
        self._key_limiter = key_limiter
        self._circuit_breaker = circuit_breaker
        self._client = client
        self._context = context
        self._configured_only = configured_only
        self._key: str | None = None
        """The key that was let in."""
        self.requests = 0
        self.response_seconds = 0.0
        """Without the waits for the key's turn."""

    @property
    def key(self) -> str:
        """The customer key that is asked with."""
        return self._key or self._credentials.keys.current

    async def run(self, request: Request, parse: Callable[[bytes], T]) -> T:
        """What `parse` makes of the answer, whichever of the office's keys it takes.

        Raises:
            ApiError: No such answer came.
            GateClosedError: The daemon is stopping.
        """
        if self._key is not None:
            return await self._run_with_key(self._key, request, parse)
        keys, office, now = self._credentials.keys, self._credentials.office_id, anyio.current_time()
        last_error = ApiError(Failure(FailureKind.KEY_CHANGING))
        for key in (keys.current,) if self._configured_only else keys.list_candidates(now):
            try:
                result = await self._run_with_key(key, request, parse)
            except ApiError as key_error:
                error = self._refine_error(key, key_error)
                if error.failure.kind not in KEY_REJECTED_KINDS or not keys.is_rotating(now):
                    raise error from None
                keys.record_rejected(key, now)
                last_error = error
                until = self._context.now() + timedelta(seconds=keys.get_seconds_left(now))
                self._context.observe(
                    KeyRejectedDuringRotation(office, "new" if key == keys.current else "former", until)
                )
                if self._configured_only:
                    raise error from None
                continue
            self._key = key
            if keys.record_accepted(key):
                self._context.observe(KeyRotated(office))
            return result
        failure = last_error.failure
        raise ApiError(Failure(FailureKind.KEY_CHANGING, failure.message, failure.status, KEY_RETRY_SECONDS)) from None

    def _refine_error(self, key: str, error: ApiError) -> ApiError:
        """The error, in the light of whether the key ever worked."""
        keys = self._credentials.keys
        return ApiError(refine_unproven_key(error.failure)) if keys.is_unproven and key == keys.current else error

    async def _run_with_key(self, key: str, request: Request, parse: Callable[[bytes], T]) -> T:
        """One request through the gate; what `parse` makes of the body of its successful answer."""
        self._require_closed_circuit()
        async with self._key_limiter.acquire() as waited:
            self._require_closed_circuit()
            self._circuit_breaker.record_start(self._credentials.office_id)
            self.requests += 1
            try:
                return await self._run_observed(key, request, parse, waited)
            except ApiError as error:
                if error.failure.kind in OUTAGE_KINDS and self._circuit_breaker.down_since is not None:
                    # Not this office's trouble: it says so, and does not back off by itself.
                    raise ApiError(Failure(FailureKind.HEADQUARTERS_DOWN, error.failure.sentence)) from None
                raise

    async def _run_observed(self, key: str, request: Request, parse: Callable[[bytes], T], waited: float) -> T:
        """Send and read, with everybody told how it began and ended."""
        office, kind = self._credentials.office_id, request.kind
        self._context.observe(RequestStarted(office, kind))
        started = anyio.current_time()
        outcome, status, size = "cancelled", None, 0
        try:
            response = await self._send(key, request)
            status, size = response.status, len(response.body)
            self._require_success(response, key, is_query=kind in {"short_query", "query_upload"})
            result = parse_response(parse, response.body)
            outcome = "ok"
        except ApiError as error:
            outcome, status = error.failure.kind.value, error.failure.status or status
            raise
        finally:
            seconds = anyio.current_time() - started
            self.response_seconds += seconds
            self._context.observe(RequestFinished(office, kind, outcome, status, seconds, waited, size))
            self._update_circuit_breaker(outcome)
        return result

    def _require_closed_circuit(self) -> None:
        if self._circuit_breaker.is_open(anyio.current_time()):
            raise ApiError(Failure(FailureKind.HEADQUARTERS_DOWN))

    def _update_circuit_breaker(self, outcome: str) -> None:
        """What this request showed of headquarters is known to all offices."""
        office, now, host = self._credentials.office_id, anyio.current_time(), get_host(self._credentials.base_url)
        if outcome == "cancelled":
            self._circuit_breaker.record_cancelled(office)
        elif outcome in OUTAGE_KINDS:
            if self._circuit_breaker.record_failure(office, now):
                self._context.observe(HeadquartersDown(host))
        elif (since := self._circuit_breaker.record_response()) is not None:
            self._context.observe(HeadquartersRecovered(host, now - since))

    async def _send(self, key: str, request: Request) -> Response:
        """Send and read, within all limits; every way in which no whole answer comes is named.

        httpx limits each read of a body, not the body: an answer that drips is cut here. That spoils the client's
        connection, so the session is of no use afterwards; an action ends with its first failure anyway.
        """
        _, method, path, params, content = request
        http_request = self._client.build_request(method, path, params=params, content=content)
        http_request.headers["Authorization"] = f"ODFHIR {self._credentials.developer_key}/{key}"
        limits = self._context.limits
        try:
            with anyio.fail_after(limits.connect_timeout_seconds + limits.request_timeout_seconds):
                return await send_request(self._client, http_request, limits.max_response_bytes)
        except (httpx.HTTPError, OSError, zlib.error, UnicodeError) as error:
            # The last: httpx looks at where a redirect leads, though nobody follows it, and the name may be none.
            raise ApiError(classify_transport_error(error)) from None

    def _require_success(self, response: Response, key: str, *, is_query: bool) -> None:
        if not httpx.codes.is_success(response.status):
            secrets = (self._credentials.developer_key, key)
            raise ApiError(classify_error_response(response, secrets, self._context.now(), is_query=is_query))


def get_host(base_url: str) -> str:
    """Whom an address names, as it is written: httpx refuses to tell some that cannot be anybody's name."""
    return urlsplit(base_url).hostname or ""


def parse_response(parse: Callable[[S], T], response: S) -> T:
    """What `parse` makes of an answer.

    Raises:
        ApiError: It is malformed.
    """
    try:
        return parse(response)
    except MalformedValue as error:
        raise ApiError(Failure(FailureKind.MALFORMED, str(error))) from None
