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

from oddaemon.core.failure import Failure, Kind
from oddaemon.core.refusal import of_unproven_key
from oddaemon.opendental.answer import Answer, ApiError, broken, receive, refused
from oddaemon.opendental.cells import MalformedError
from oddaemon.opendental.gate import Lane
from oddaemon.opendental.keys import REFUSES_THE_KEY, TRY_AGAIN_SECONDS, KeyRing
from oddaemon.opendental.outage import SILENT, Outage
from oddaemon.telemetry.events import (
    HeadquartersBack,
    HeadquartersDown,
    HeadquartersLeft,
    KeyInForce,
    KeyNotInForce,
    RequestFinished,
    RequestStarted,
)

ApiEvent = (
    RequestStarted
    | RequestFinished
    | HeadquartersDown
    | HeadquartersBack
    | HeadquartersLeft
    | KeyInForce
    | KeyNotInForce
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
class Access:
    """What it takes to ask one office."""

    office_id: str
    base_url: str
    developer_key: str = field(repr=False)
    keys: KeyRing = field(repr=False)
    min_interval_seconds: float
    remote: bool


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the exchanges of all offices share."""

    limits: Limits
    observe: Observer
    now: Callable[[], datetime]
    """The wall clock, for a Retry-After that is a date."""


class Question(NamedTuple):
    """One request, before it is anybody's."""

    kind: str
    method: str
    path: str
    params: dict[str, str] | None = None
    content: bytes | None = None


class Exchange:
    """Questions of one action of one office, one after another, and what they cost.

    Args:
        access: What it takes to ask.
        lane: Of the office's key.
        outage: What is known of its headquarters.
        client: The connection; nobody else's.
        around: What all share.
        configured_only: The former key of a change is of no help: it is the configured one that is looked at.
    """

    def __init__(
        self,
        access: Access,
        lane: Lane,
        outage: Outage,
        client: httpx.AsyncClient,
        around: Surroundings,
        *,
        configured_only: bool = False,
    ) -> None:
        self._access = access
        self._lane = lane
        self._outage = outage
        self._client = client
        self._around = around
        self._configured_only = configured_only
        self._key: str | None = None
        """The key that was let in."""
        self.requests = 0
        self.answering_seconds = 0.0
        """Without the waits for the key's turn."""

    @property
    def key(self) -> str:
        """The customer key that is asked with."""
        return self._key or self._access.keys.current

    async def ask(self, question: Question, parse: Callable[[bytes], T]) -> T:
        """What `parse` makes of the answer, whichever of the office's keys it takes.

        Raises:
            ApiError: No such answer came.
            GateClosedError: The daemon is stopping.
        """
        if self._key is not None:
            return await self._ask_with(self._key, question, parse)
        keys, office, now = self._access.keys, self._access.office_id, anyio.current_time()
        refusal = ApiError(Failure(Kind.KEY_CHANGING))
        for key in (keys.current,) if self._configured_only else keys.candidates(now):
            try:
                answer = await self._ask_with(key, question, parse)
            except ApiError as refused_key:
                error = self._of(key, refused_key)
                if error.failure.kind not in REFUSES_THE_KEY or not keys.is_changing(now):
                    raise error from None
                keys.refused(key, now)
                refusal = error
                until = self._around.now() + timedelta(seconds=keys.seconds_left(now))
                self._around.observe(KeyNotInForce(office, "new" if key == keys.current else "former", until))
                if self._configured_only:
                    raise error from None
                continue
            self._key = key
            if keys.accepted(key):
                self._around.observe(KeyInForce(office))
            return answer
        failure = refusal.failure
        raise ApiError(Failure(Kind.KEY_CHANGING, failure.message, failure.status, TRY_AGAIN_SECONDS)) from None

    def _of(self, key: str, error: ApiError) -> ApiError:
        """The error, in the light of whether the key ever worked."""
        keys = self._access.keys
        return ApiError(of_unproven_key(error.failure)) if keys.is_unproven and key == keys.current else error

    async def _ask_with(self, key: str, question: Question, parse: Callable[[bytes], T]) -> T:
        """One request through the gate; what `parse` makes of the body of its successful answer."""
        self._require_headquarters()
        async with self._lane.passing() as waited:
            self._require_headquarters()
            self._outage.enter(self._access.office_id)
            self.requests += 1
            try:
                return await self._observed(key, question, parse, waited)
            except ApiError as error:
                if error.failure.kind in SILENT and self._outage.since is not None:
                    # Not this office's trouble: it says so, and does not back off by itself.
                    raise ApiError(Failure(Kind.HEADQUARTERS_DOWN, error.failure.sentence)) from None
                raise

    async def _observed(self, key: str, question: Question, parse: Callable[[bytes], T], waited: float) -> T:
        """Send and read, with everybody told how it began and ended."""
        office, kind = self._access.office_id, question.kind
        self._around.observe(RequestStarted(office, kind))
        started = anyio.current_time()
        outcome, status, size = "cancelled", None, 0
        try:
            answer = await self._answer(key, question)
            status, size = answer.status, len(answer.body)
            self._check(answer, key, query=kind in {"short_query", "query_upload"})
            found = understood(parse, answer.body)
            outcome = "ok"
        except ApiError as error:
            outcome, status = error.failure.kind.value, error.failure.status or status
            raise
        finally:
            seconds = anyio.current_time() - started
            self.answering_seconds += seconds
            self._around.observe(RequestFinished(office, kind, outcome, status, seconds, waited, size))
            self._learn(outcome)
        return found

    def _require_headquarters(self) -> None:
        if self._outage.is_closed(anyio.current_time()):
            raise ApiError(Failure(Kind.HEADQUARTERS_DOWN))

    def _learn(self, outcome: str) -> None:
        """What this request showed of headquarters is known to all offices."""
        office, now, host = self._access.office_id, anyio.current_time(), host_of(self._access.base_url)
        if outcome == "cancelled":
            self._outage.abandoned(office)
        elif outcome in SILENT:
            if self._outage.silent(office, now):
                self._around.observe(HeadquartersDown(host))
        elif (since := self._outage.answered()) is not None:
            self._around.observe(HeadquartersBack(host, now - since))

    async def _answer(self, key: str, question: Question) -> Answer:
        """Send and read, within all limits; every way in which no whole answer comes is named.

        httpx limits each read of a body, not the body: an answer that drips is cut here. That spoils the client's
        connection, so the session is of no use afterwards; an action ends with its first failure anyway.
        """
        _, method, path, params, content = question
        request = self._client.build_request(method, path, params=params, content=content)
        request.headers["Authorization"] = f"ODFHIR {self._access.developer_key}/{key}"
        limits = self._around.limits
        try:
            with anyio.fail_after(limits.connect_timeout_seconds + limits.request_timeout_seconds):
                return await receive(self._client, request, limits.max_response_bytes)
        except (httpx.HTTPError, OSError, zlib.error, UnicodeError) as error:
            # The last: httpx looks at where a redirect leads, though nobody follows it, and the name may be none.
            raise ApiError(broken(error)) from None

    def _check(self, answer: Answer, key: str, *, query: bool) -> None:
        if not httpx.codes.is_success(answer.status):
            secrets = (self._access.developer_key, key)
            raise ApiError(refused(answer, secrets, self._around.now(), query=query))


def host_of(base_url: str) -> str:
    """Whom an address names, as it is written: httpx refuses to tell some that cannot be anybody's name."""
    return urlsplit(base_url).hostname or ""


def understood(parse: Callable[[S], T], answer: S) -> T:
    """What `parse` makes of an answer.

    Raises:
        ApiError: It is malformed.
    """
    try:
        return parse(answer)
    except MalformedError as error:
        raise ApiError(Failure(Kind.MALFORMED, str(error))) from None
