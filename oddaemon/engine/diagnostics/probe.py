"""Collects everything that a diagnosis needs from one office, with few requests, at the rate of its key.

The core evaluates the responses. A failure that blocks all requests ends the run: later requests would only fail, too.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from typing import TypeVar

from oddaemon.core.backoff import STATEMENT_PAUSE
from oddaemon.core.dates import parse_date
from oddaemon.core.diagnostics.checks import PREFERENCES, run_checks
from oddaemon.core.diagnostics.diagnosis import Clocks, Diagnosis, Observations
from oddaemon.core.diagnostics.network_checks import is_blocking
from oddaemon.core.diagnostics.permission_checks import REPORTS_SINCE
from oddaemon.core.failures.classify import refine_unproven_key
from oddaemon.core.failures.failure import Failure
from oddaemon.core.failures.origin import STATEMENT_TIMEOUTS
from oddaemon.core.fleet.lease import LeaseLost
from oddaemon.core.model import Include, Reader
from oddaemon.core.office.aging import parse_version
from oddaemon.core.snapshot.aging_report import ReportLength, combine_lengths, make_balances
from oddaemon.core.snapshot.packing import FIRST_PACKING
from oddaemon.opendental import decode, sql
from oddaemon.opendental.client import Api, ApiError, OfficeApi, Session
from oddaemon.opendental.decode_values import Row
from oddaemon.opendental.rate_limiter import ShuttingDown
from oddaemon.settings import OfficeSettings
from oddaemon.settings.tables.office import SPACING_SECONDS
from oddaemon.settings.values.timezone import find_zones_by_offset

READ_ALL_SECONDS = SPACING_SECONDS["read_all"]
"""A key that may not query may have only the Read All permission, whatever tier is configured."""
OFFSET_PAST_END = 1_000_000
"""Beyond the end of any report: the server computes the whole report but returns no rows."""
REPORT_PAGES_MAX = 12
"""To measure the length of a report; enough for half a million guarantors."""
REQUESTS_MAX = 1 + len(PREFERENCES) + 2 + 4

ProgressCallback = Callable[[int, int], None]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ProbeTarget:
    """One office and how to reach it."""

    settings: OfficeSettings
    api: OfficeApi
    developer_name: str
    asked_by: str
    has_authenticated: bool = False
    """Whether the API ever accepted a key of the office."""


async def diagnose(target: ProbeTarget, api: Api, progress: ProgressCallback = lambda _done, _of: None) -> Diagnosis:
    """Diagnose an office. All problems are in the result.

    Args:
        target: The office.
        api: The API of all offices.
        progress: Called with the number of requests done, and of all requests at most.
    """
    office, credentials = target.settings.spec, target.settings.credentials
    observations = Observations(
        office,
        credentials.remote,
        credentials.min_interval_seconds,
        api.now(),
        await api.check_connectivity(credentials),
        previous_key_for=target.api.previous_key_time_left,
        developer_name=target.developer_name,
    )
    if observations.connectivity.failed_at is None:
        run = _DiagnosticRun(target, api, observations, progress)
        try:
            await run.run()
        except (ShuttingDown, LeaseLost):
            run.record(interrupted=True)
        observations = run.observations
    results = run_checks(observations)
    return Diagnosis(office.id, office.name, observations.at, target.asked_by, results, observations.zones)


class _DiagnosticRun:
    """Sends one request after another and records the observations."""

    def __init__(self, target: ProbeTarget, api: Api, observations: Observations, progress: ProgressCallback) -> None:
        self.observations = observations
        self._target = target
        self._office = target.settings.spec
        self._api = api
        self._progress = progress
        self._requests = 0
        self._responses = 0
        self._response_seconds = 0.0
        self._spacing_seconds = 0.0
        self._pause_seconds = 0.0
        """Before the next request only: the office may still compute the last one."""

    def record(self, **observed: object) -> None:
        """Record observations, by the fields of `Observations`."""
        self.observations = replace(self.observations, **observed)  # type: ignore[arg-type]  # each is a field

    async def run(self) -> None:
        """Send all requests.

        Raises:
            ShuttingDown: The daemon is stopping; the observations so far are recorded.
        """
        # A query comes first: it shows whether the key may query, and with that its rate limit.
        await self._fetch_clocks()
        if self._ends_run(self.observations.clocks):
            return
        if isinstance(self.observations.clocks, Failure) and self._target.settings.credentials.remote:
            self._spacing_seconds = READ_ALL_SECONDS
        await self._fetch_preferences()
        if self._ends_run(self.observations.preferences_failure):
            return
        await self._fetch_report()
        self.record(clinics=await self._request(lambda session: session.list_clinics()))
        if isinstance(self.observations.clocks, Clocks):
            await self._fetch_tables()

    @staticmethod
    def _ends_run(response: object) -> bool:
        return isinstance(response, Failure) and is_blocking(response)

    async def _fetch_clocks(self) -> None:
        response = await self._request(lambda session: session.read_clocks())
        if isinstance(response, Failure):
            self.record(clocks=response)
            return
        at = self._api.now()
        zones = find_zones_by_offset(response.office_now - response.utc_now, at)
        self.record(clocks=Clocks(response.office_now, response.utc_now, at), zones=zones)

    async def _fetch_preferences(self) -> None:
        for name in PREFERENCES:
            response = await self._request(partial(Session.get_preference, name=name))
            if isinstance(response, Failure):
                self.record(preferences_failure=response)
                return
            self.record(preferences={**self.observations.preferences, name: response}, preferences_at=self._api.now())

    async def _fetch_report(self) -> None:
        version = parse_version(self.observations.preferences.get("ProgramVersion", ""))
        if version is not None and version < REPORTS_SINCE:
            return
        day = self._get_report_date()
        if self._office.reader is Reader.REPORT and isinstance(self.observations.clocks, Failure):
            await self._measure_report_length(day)
        else:
            await self._count_page_rows(day, OFFSET_PAST_END, None)

    async def _measure_report_length(self, day: date) -> None:
        """Find where the report ends: without queries only that shows how many guarantors there are."""
        clinics: Sequence[int | None] = self._office.clinics or (None,)
        lengths: list[ReportLength] = []
        pages_read = 0
        for clinic in clinics:
            length = ReportLength()
            while (
                pages_read < REPORT_PAGES_MAX and (offset := length.get_next_offset(self._office.page_rows)) is not None
            ):
                pages_read += 1
                page = await self._count_page_rows(day, offset, clinic)
                if page is None:
                    return
                length = length.refine(offset, page, self._office.page_rows)
            lengths.append(length)
        self.record(report_length=combine_lengths(lengths, len(clinics)))

    async def _count_page_rows(self, day: date, offset: int, clinic: int | None) -> int | None:
        """The number of rows on a page of the report. None: the request failed."""
        seconds_before = self._response_seconds
        response = await self._request(lambda session: session.get_report_page(day, offset, clinic))
        if isinstance(response, Failure):
            if self.observations.report_seconds is None:
                self.record(report_seconds=response)
            return None
        if self.observations.report_seconds is None:
            self.record(report_seconds=self._response_seconds - seconds_before)
        below_zero = sum(balance.bal_total < 0 for balance in make_balances(response, Include.ALL, clinic))
        rows = self.observations.report_rows + len(response)
        self.record(report_rows=rows, report_credits=self.observations.report_credits + below_zero)
        return len(response)

    def _get_report_date(self) -> date:
        """A day that the office has certainly reached."""
        try:
            last = parse_date(self.observations.preferences.get("DateLastAging", ""))
        except ValueError:
            last = None
        return last or self._api.now().date()

    async def _fetch_tables(self) -> None:
        office, name = self._office, self._target.developer_name
        self.record(clinic_shares=await self._query(sql.select_clinic_shares(office), decode.parse_clinic_shares))
        # The statement of every night, past the last guarantor: its control columns without balances.
        statement = sql.select_packed(office, FIRST_PACKING, sql.PAT_NUM_MAX)
        packed = await self._query(statement, partial(decode.parse_packed, packing=FIRST_PACKING))
        self.record(control=packed if isinstance(packed, Failure) else packed.control)
        self.record(density=await self._query(sql.select_density(office), decode.parse_density))
        if name:
            self.record(registered_keys=await self._request(lambda session: session.check_registered_key(name)))

    async def _query(self, statement: str, parse: Callable[[Sequence[Row]], T]) -> T | Failure:
        return await self._request(lambda session: session.query(statement, parse))

    async def _request(self, request: Callable[[Session], Awaitable[T]]) -> T | Failure:
        """Send one request on a connection of its own, as a failure spoils the connection."""
        pause_seconds = max(self._spacing_seconds, self._pause_seconds)
        self._pause_seconds = 0.0
        if pause_seconds:
            await self._api.rate_limiter.sleep(pause_seconds)
        try:
            # Never with the previous key: it would hide that the configured one is wrong.
            async with self._target.api.session(configured_only=True) as session:
                response = await request(session)
                self._record_duration(session.response_seconds)
                return response
        except ApiError as error:
            if error.failure.kind in STATEMENT_TIMEOUTS:
                self._pause_seconds = STATEMENT_PAUSE.total_seconds()
            has_authenticated = self._target.has_authenticated or self._responses
            return error.failure if has_authenticated else refine_unproven_key(error.failure)
        finally:
            self._requests += 1
            self._progress(self._requests, max(self._requests, REQUESTS_MAX))

    def _record_duration(self, seconds: float) -> None:
        self._responses += 1
        self._response_seconds += seconds
        self.record(seconds_per_request=self._response_seconds / self._responses)
