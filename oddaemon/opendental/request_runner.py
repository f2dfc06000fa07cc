"""One request to an office: rate-limited, sent with an accepted key, observed.

Every failure leaves as an `ApiError` with its `Failure`. Keys leave only in the `Authorization` header.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit

import anyio
import httpx

from oddaemon.core.failures.classify import refine_unproven_key
from oddaemon.core.failures.failure import Failure, FailureKind
from oddaemon.core.model import OfficeCredentials
from oddaemon.core.secret import Secret
from oddaemon.opendental.circuit_breaker import OUTAGE_KINDS, CircuitBreaker
from oddaemon.opendental.decode_values import MalformedValue
from oddaemon.opendental.key_ring import KEY_REJECTED_KINDS, KEY_RETRY_SECONDS, KeyRing
from oddaemon.opendental.rate_limiter import KeyLimiter
from oddaemon.opendental.response import ApiError, Limits, Response, classify_error_response, send_request
from oddaemon.telemetry.events import (
    HeadquartersDown,
    HeadquartersRecovered,
    KeyRejectedDuringRotation,
    KeyRotated,
    RequestFinished,
    RequestStarted,
)
from oddaemon.telemetry.events.base import Event

Observer = Callable[[Event], None]
_QUERY_KINDS = {"short_query", "query_upload"}
S = TypeVar("S")
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


class Request(NamedTuple):
    """One request, before it is addressed to an office."""

    kind: str
    method: str
    path: str
    params: dict[str, str] | None = None
    content: bytes | None = None


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
        self._office_id = context.credentials.spec.id
        self._circuit_breaker = context.circuit_breaker
        self._client = client
        self._configured_only = configured_only
        self._auth = KeyAuth(context.credentials.developer_key, context.keys.current)
        """Of the client's requests."""
        self._is_accepted = False
        """Whether the API accepted these keys; all later requests then use them."""
        self.requests = 0
        """The requests sent for this action, those of an interrupted attempt included."""
        self.response_seconds = 0.0
        """The duration of the requests, without the time spent waiting for the rate limiter."""

    async def run(self, request: Request, parse: Callable[[bytes], T]) -> T:
        """Send a request and parse the body of its response; the first request finds the key that is accepted.

        Raises:
            ApiError: The request failed, or the API accepts no key of the office.
            ShuttingDown: The daemon is stopping.
        """
        if self._is_accepted:
            return await self._run_once(request, parse)
        keys, now = self._context.keys, anyio.current_time()
        failure = Failure(FailureKind.KEY_CHANGING)
        for key in (keys.current,) if self._configured_only else keys.list_candidates(now):
            self._client.auth = self._auth = KeyAuth(self._context.credentials.developer_key, key)
            try:
                result = await self._run_once(request, parse)
            except ApiError as error:
                failure = self._record_rejected(error.failure, now)
            else:
                self._record_accepted()
                return result
        raise ApiError(Failure(FailureKind.KEY_CHANGING, failure.message, failure.status, KEY_RETRY_SECONDS))

    def _record_accepted(self) -> None:
        self._is_accepted = True
        if self._context.keys.record_accepted(self._auth.customer_key):
            self._context.observe(KeyRotated(self._office_id))

    def _record_rejected(self, failure: Failure, now: float) -> Failure:
        """Remember that the key was rejected while a change of keys settles. Returns the failure.

        Raises:
            ApiError: Another key cannot help: the failure has another cause, or no other key may be used.
        """
        keys, key = self._context.keys, self._auth.customer_key
        if keys.is_unproven and key == keys.current:
            failure = refine_unproven_key(failure)
        if failure.kind not in KEY_REJECTED_KINDS or not keys.is_rotating(now):
            raise ApiError(failure) from None
        keys.record_rejected(key, now)
        until = self._context.now() + timedelta(seconds=keys.get_seconds_left(now))
        which = "new" if key == keys.current else "old"
        self._context.observe(KeyRejectedDuringRotation(self._office_id, which, until))
        if self._configured_only:
            raise ApiError(failure) from None
        return failure

    async def _run_once(self, request: Request, parse: Callable[[bytes], T]) -> T:
        """Send one request when the rate limiter and the circuit breaker allow it."""
        breaker = self._circuit_breaker
        self._require_closed_circuit()
        async with self._context.key_limiter.acquire() as waited:
            self._require_closed_circuit()
            breaker.record_start(self._office_id)
            self.requests += 1
            try:
                return await self._run_observed(request, parse, waited)
            except ApiError as error:
                if error.failure.kind in OUTAGE_KINDS and breaker.down_since is not None:
                    # Headquarters failed, not this office: it must not back off on its own account.
                    raise ApiError(Failure(FailureKind.HEADQUARTERS_DOWN, error.failure.sentence)) from None
                raise

    async def _run_observed(self, request: Request, parse: Callable[[bytes], T], waited: float) -> T:
        """Send, parse, and report how the request started and finished."""
        office, kind = self._office_id, request.kind
        self._context.observe(RequestStarted(office, kind))
        started = anyio.current_time()
        outcome, status, size = "cancelled", None, 0
        try:
            http_request = self._client.build_request(
                request.method, request.path, params=request.params, content=request.content
            )
            response = await send_request(self._client, http_request, self._context.limits)
            status, size = response.status, len(response.body)
            self._require_success(response, is_query=kind in _QUERY_KINDS)
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
        """Share what this request showed about headquarters with all its offices."""
        now, host = anyio.current_time(), get_host(self._context.credentials.base_url)
        if outcome == "cancelled":
            self._circuit_breaker.record_cancelled(self._office_id)
        elif outcome in OUTAGE_KINDS:
            if self._circuit_breaker.record_failure(self._office_id, now):
                self._context.observe(HeadquartersDown(host))
        elif (since := self._circuit_breaker.record_response()) is not None:
            self._context.observe(HeadquartersRecovered(host, now - since))

    def _require_success(self, response: Response, *, is_query: bool) -> None:
        if not httpx.codes.is_success(response.status):
            now = self._context.now()
            raise ApiError(classify_error_response(response, self._auth.secrets, now, is_query=is_query))


def get_host(base_url: str) -> str:
    """The host of a URL as written: httpx raises for some that cannot be host names."""
    return urlsplit(base_url).hostname or ""


def parse_response(parse: Callable[[S], T], response: S) -> T:
    """Parse a response.

    Raises:
        ApiError: It is malformed.
    """
    try:
        return parse(response)
    except MalformedValue as error:
        raise ApiError(Failure(FailureKind.MALFORMED, str(error))) from None
