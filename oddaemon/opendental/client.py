"""The API as this house uses it: preferences and queries of one office.

Each office has a client of its own over one shared TLS context, open only while it is used: a pool shared by hundreds
of tasks collapses, and a request that was cut short leaves a dead place in it. Every failure leaves as `ApiError` with
the `Failure` it was named, and no key leaves at all but in the header it belongs in.
"""

import ssl
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple, TypeVar

import anyio
import httpx
import msgspec

from oddaemon import __version__
from oddaemon.core.examination import HeldKeys, Reach
from oddaemon.core.failure import Failure, Kind
from oddaemon.core.report import ReportRow
from oddaemon.opendental import sql, wire
from oddaemon.opendental.answer import Answer, ApiError, broken, receive, refused
from oddaemon.opendental.gate import Gate, Lane
from oddaemon.opendental.keys import REFUSES_THE_KEY, TRY_AGAIN_SECONDS, KeyRing
from oddaemon.opendental.outage import SILENT, Outage
from oddaemon.opendental.reach import reach, unreached
from oddaemon.telemetry.events import (
    HeadquartersBack,
    HeadquartersDown,
    KeyInForce,
    KeyNotInForce,
    RequestFinished,
    RequestStarted,
)

__all__ = [
    "Access",
    "Api",
    "ApiError",
    "ApiEvent",
    "Limits",
    "Observer",
    "OfficeApi",
    "Session",
    "TransportFactory",
    "UploadTo",
]

ApiEvent = RequestStarted | RequestFinished | HeadquartersDown | HeadquartersBack | KeyInForce | KeyNotInForce
Observer = Callable[[ApiEvent], None]
S = TypeVar("S")
T = TypeVar("T")
TransportFactory = Callable[[], httpx.AsyncBaseTransport]

KEEPALIVE_SECONDS = 30.0
"""Longer than any spacing of a key, shorter than what gateways allow an idle connection."""


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


class Api:
    """The way to every office: the gate, the TLS context and the limits that they share."""

    def __init__(
        self,
        gate: Gate,
        limits: Limits,
        observe: Observer,
        now: Callable[[], datetime],
        transport: TransportFactory | None = None,
    ) -> None:
        """Must be made inside the event loop that uses it.

        Args:
            gate: Every request passes it.
            limits: For each answer.
            observe: Told of each request as it starts and ends, when headquarters falls silent and answers again, and
                how the change of a key goes.
            now: The wall clock, for a Retry-After that is a date.
            transport: What carries requests; None: the network.
        """
        self.gate = gate
        self.now = now
        self.limits = limits
        self.observe = observe
        self._outages: dict[str, Outage] = {}
        # To load the CA certificates takes as long as a hundred requests; without them a context accepts nobody.
        # Made by hand: the default context writes what decrypts every answer to the file that SSLKEYLOGFILE names.
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if transport is None:
            self._tls.load_default_certs()
        self._transport = transport

    def office(self, access: Access, former: "OfficeApi | None" = None) -> "OfficeApi":
        """One office's API, with its lane through the gate.

        Args:
            access: What it takes to ask it.
            former: The same office's before its settings changed: its lane is kept where the spacing stays, so that
                whoever still asks there is waited for.
        """
        if former is not None and former.has_the_pace_of(access):
            return OfficeApi(self, access, former.lane)
        return OfficeApi(self, access, self.gate.lane(access.min_interval_seconds, capped=access.remote))

    async def reach(self, base_url: str) -> Reach:
        """What it takes to get to the API's host, without a request."""
        if self._transport is not None:
            return unreached(base_url)
        return await reach(base_url, self._tls, self.limits.connect_timeout_seconds)

    def outage(self, base_url: str) -> Outage:
        """What is known of the headquarters at this address, by all of its offices together."""
        return self._outages.setdefault(base_url, Outage())

    def client(self, base_url: str) -> httpx.AsyncClient:
        """A fresh client of one connection, free of proxies and credentials of the environment."""
        return httpx.AsyncClient(
            base_url=base_url,
            transport=self._transport() if self._transport else None,
            verify=self._tls,
            trust_env=False,
            timeout=httpx.Timeout(
                self.limits.request_timeout_seconds, connect=self.limits.connect_timeout_seconds, pool=None
            ),
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEEPALIVE_SECONDS),
            headers={
                "Accept-Encoding": "gzip",
                "Content-Type": "application/json",
                "User-Agent": f"oddaemon/{__version__}",
            },
        )


class OfficeApi:
    """One office's API."""

    def __init__(self, api: Api, access: Access, lane: Lane) -> None:
        self.lane = lane
        self._api = api
        self._access = access

    def has_the_pace_of(self, access: Access) -> bool:
        """Whether another access is asked in the same way."""
        paces = ((each.min_interval_seconds, each.remote) for each in (access, self._access))
        return len(set(paces)) == 1

    @property
    def min_interval_seconds(self) -> float:
        """Between two requests of the office's key."""
        return self._access.min_interval_seconds

    @asynccontextmanager
    async def session(self) -> AsyncIterator["Session"]:
        """A connection kept alive for the requests of one action."""
        async with self._api.client(self._access.base_url) as client:
            yield Session(self._api, self._access, self.lane, client)


@dataclass(frozen=True, slots=True)
class UploadTo:
    """Where an office is to upload to."""

    address: str
    """Host, folder and file."""
    port: int
    username: str
    password: str = field(repr=False)


class _Question(NamedTuple):
    """One request, before it is anybody's."""

    kind: str
    method: str
    path: str
    params: dict[str, str] | None = None
    content: bytes | None = None


class Session:
    """Requests of one action of one office, one after another."""

    def __init__(self, api: Api, access: Access, lane: Lane, client: httpx.AsyncClient) -> None:
        self._api = api
        self._access = access
        self._lane = lane
        self._client = client
        # An office on its own network has no headquarters: what it shows concerns nobody else.
        self._outage = api.outage(access.base_url) if access.remote else Outage()
        self._key: str | None = None
        """The key that was let in."""
        self.requests = 0
        self.answering_seconds = 0.0
        """Without the waits for the key's turn."""

    async def preference(self, name: str) -> str:
        """The value of a preference as stored; `''` where the office does not have it.

        Raises:
            ApiError: No such answer came.
            GateClosedError: The daemon is stopping.
        """
        try:
            question = _Question("preferences", "GET", "/preferences", params={"PrefName": name})
            return await self._ask(question, lambda body: wire.preference(body, name))
        except ApiError as error:
            if error.failure.kind is Kind.NOT_FOUND and error.failure.status == httpx.codes.NOT_FOUND:
                return ""
            raise

    async def query(self, sql: str) -> list[wire.Row]:
        """The rows of a ShortQuery.

        Raises:
            ApiError: No such answer came.
            GateClosedError: The daemon is stopping.
        """
        content = msgspec.json.encode({"SqlCommand": sql})
        return await self._ask(_Question("short_query", "PUT", "/queries/ShortQuery", content=content), wire.rows)

    async def report(self, as_of: date, offset: int, clinic_num: int | None = None) -> list[ReportRow]:
        """One page of the aging report of a day, ordered by name; empty past its end.

        Args:
            as_of: The day.
            offset: How many rows are passed over.
            clinic_num: Of this clinic only; None: of the whole office.

        Raises:
            ApiError: No such answer came.
            GateClosedError: The daemon is stopping.
        """
        params = {"DateAsOf": as_of.isoformat(), "Offset": str(offset)}
        if clinic_num is not None:
            params["ClinicNum"] = str(clinic_num)
        try:
            return await self._ask(_Question("aging_report", "GET", "/reports/Aging", params), wire.report)
        except ApiError as error:
            # Some lists of the API are 404 where others are empty.
            if offset and error.failure.status == httpx.codes.NOT_FOUND:
                return []
            raise

    async def clinics(self) -> tuple[int, ...]:
        """The ClinicNums that the API lists: neither hidden ones nor 0. Raises as `query` does."""
        try:
            return await self._ask(_Question("clinics", "GET", "/clinics"), wire.clinics)
        except ApiError as error:
            # Some lists of the API are 404 where others are empty.
            if error.failure.status == httpx.codes.NOT_FOUND:
                return ()
            raise

    async def holds_key(self, developer_name: str) -> HeldKeys:
        """Whether the office's own table of keys has the one that is asked with. Raises as `query` does."""
        answer = await self.query(sql.held_keys(developer_name))
        key = self._key or self._access.keys.current
        return _read(lambda rows: wire.held_keys(rows, key), answer)

    async def upload(self, sql: str, to: UploadTo, *, asynchronous: bool) -> None:
        """Have the office upload the result of a query as a CSV.

        Args:
            sql: The query.
            to: Where to.
            asynchronous: Answered before it is uploaded, where the office's version knows that.

        Raises:
            ApiError: It was refused, or nobody answered; the file may come all the same after a time-out.
            GateClosedError: The daemon is stopping.
        """
        command = {
            "SqlCommand": sql,
            "SftpAddress": to.address,
            "SftpUsername": to.username,
            "SftpPassword": to.password,
            "SftpPort": str(to.port),
            **({"IsAsync": "true"} if asynchronous else {}),
        }
        question = _Question("query_upload", "POST", "/queries", content=msgspec.json.encode(command))
        await self._ask(question, lambda _: None)

    async def clocks(self) -> wire.Clocks:
        """The office server's NOW() and UTC_TIMESTAMP(), and its identity. Raises as `query` does."""
        answer = await self.query(sql.clock())
        return _read(wire.clocks, answer)

    async def _ask(self, question: _Question, parse: Callable[[bytes], T]) -> T:
        """One answer, whichever of the office's keys it takes."""
        if self._key is not None:
            return await self._ask_with(self._key, question, parse)
        keys, office, now = self._access.keys, self._access.office_id, anyio.current_time()
        refusal = ApiError(Failure(Kind.KEY_CHANGING))
        for key in keys.candidates(now):
            try:
                answer = await self._ask_with(key, question, parse)
            except ApiError as error:
                if error.failure.kind not in REFUSES_THE_KEY or not keys.is_changing(now):
                    raise
                keys.refused(key, now)
                refusal = error
                self._api.observe(KeyNotInForce(office, "new" if key == keys.current else "former"))
                continue
            self._key = key
            if keys.accepted(key):
                self._api.observe(KeyInForce(office))
            return answer
        failure = refusal.failure
        raise ApiError(Failure(Kind.KEY_CHANGING, failure.message, failure.status, TRY_AGAIN_SECONDS)) from None

    async def _ask_with(self, key: str, question: _Question, parse: Callable[[bytes], T]) -> T:
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

    async def _observed(self, key: str, question: _Question, parse: Callable[[bytes], T], waited: float) -> T:
        """Send and read, with everybody told how it began and ended."""
        office, kind = self._access.office_id, question.kind
        self._api.observe(RequestStarted(office, kind))
        started = anyio.current_time()
        outcome, status, size = "cancelled", None, 0
        try:
            answer = await self._answer(key, question)
            status, size = answer.status, len(answer.body)
            self._check(answer, key, query=kind in {"short_query", "query_upload"})
            found = _read(parse, answer.body)
            outcome = "ok"
        except ApiError as error:
            outcome, status = error.failure.kind.value, error.failure.status or status
            raise
        finally:
            seconds = anyio.current_time() - started
            self.answering_seconds += seconds
            self._api.observe(RequestFinished(office, kind, outcome, status, seconds, waited, size))
            self._learn(outcome)
        return found

    def _require_headquarters(self) -> None:
        if self._outage.is_closed(anyio.current_time()):
            raise ApiError(Failure(Kind.HEADQUARTERS_DOWN))

    def _learn(self, outcome: str) -> None:
        """What this request showed of headquarters is known to all offices."""
        office, now, host = self._access.office_id, anyio.current_time(), httpx.URL(self._access.base_url).host
        if outcome == "cancelled":
            self._outage.abandoned(office)
        elif outcome in SILENT:
            if self._outage.silent(office, now):
                self._api.observe(HeadquartersDown(host))
        elif (since := self._outage.answered()) is not None:
            self._api.observe(HeadquartersBack(host, now - since))

    async def _answer(self, key: str, question: _Question) -> Answer:
        """Send and read, within all limits; every way in which no whole answer comes is named.

        httpx limits each read of a body, not the body: an answer that drips is cut here. That spoils the client's
        connection, so the session is of no use afterwards; an action ends with its first failure anyway.
        """
        _, method, path, params, content = question
        request = self._client.build_request(method, path, params=params, content=content)
        request.headers["Authorization"] = f"ODFHIR {self._access.developer_key}/{key}"
        limits = self._api.limits
        try:
            with anyio.fail_after(limits.connect_timeout_seconds + limits.request_timeout_seconds):
                return await receive(self._client, request, limits.max_response_bytes)
        except (httpx.HTTPError, OSError, zlib.error) as error:
            raise ApiError(broken(error)) from None

    def _check(self, answer: Answer, key: str, *, query: bool) -> None:
        if not httpx.codes.is_success(answer.status):
            secrets = (self._access.developer_key, key)
            raise ApiError(refused(answer, secrets, self._api.now(), query=query))


def _read(parse: Callable[[S], T], answer: S) -> T:
    try:
        return parse(answer)
    except wire.MalformedError as error:
        raise ApiError(Failure(Kind.MALFORMED, str(error))) from None
