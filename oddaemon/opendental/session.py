"""The requests to an office: preferences, clinics, clocks, queries, pages of the aging report, uploads."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import date, datetime
from functools import partial
from typing import TypeVar
from zlib import crc32

import httpx
import msgspec

from oddaemon.core.diagnostics.diagnosis import RegisteredKeys
from oddaemon.core.failures.failure import Failure, FailureKind
from oddaemon.core.model import AgingMark, ControlQueryResult, DatabaseIdentity, OfficeSpec, UploadTarget
from oddaemon.core.snapshot.aging_report import PAGE_ROWS_MIN, ReportRow
from oddaemon.opendental import decode, sql
from oddaemon.opendental.decode_values import Row
from oddaemon.opendental.request_runner import Request, RequestRunner
from oddaemon.opendental.response import ApiError

LIST_PAGES_MAX = 30
"""Three times the preferences of an office."""
T = TypeVar("T")


class Session(RequestRunner):
    """Requests of one action of one office, one after another."""

    _is_restricted = False
    """Whether a query on the preferences was denied to the office's query user."""

    @property
    def max_guarantors(self) -> int:
        """How many guarantors of an office are read at most."""
        return self._context.limits.max_guarantors

    def resume(self, previous_requests: int) -> None:
        """Continue an interrupted action that had sent this many requests."""
        self.requests += previous_requests

    async def get_preference(self, name: str) -> str:
        """The value of a preference as stored; `''` if the office does not have it.

        A server that ignores the filter returns pages of all preferences: they are read until the name is found, or
        until the list has certainly ended.

        Raises:
            ApiError: The request failed, or the server ignores both the filter and the offset.
            ShuttingDown: The daemon is stopping.
        """

        async def fetch(offset: int) -> tuple[str | None, Sequence[str]]:
            params = {"PrefName": name, **({"Offset": str(offset)} if offset else {})}
            request = Request("preferences", "GET", "/preferences", params)
            page = await self.run(request, partial(decode.parse_preference_page, name=name))
            if not offset and page.value is None and len(page.names) == 1:
                # No list of all preferences has one row: this is the answer to another question.
                raise ApiError(Failure(FailureKind.MALFORMED, f"the one row is not preference {name}"))
            return page

        return await self._find(fetch, f"preference {name}") or ""

    async def query(self, sql: str, parse: Callable[[Sequence[Row]], T]) -> T:
        """The rows of a ShortQuery, parsed where they were decoded: with many rows, in a thread.

        Raises:
            ApiError: The request failed, or the rows are not what `parse` expects.
            ShuttingDown: The daemon is stopping.
        """
        content = msgspec.json.encode({"SqlCommand": sql})
        return await self.run(Request("short_query", "PUT", "/queries/ShortQuery", content=content), parse)

    async def get_report_page(self, as_of: date, offset: int, clinic_num: int | None = None) -> list[ReportRow]:
        """One page of the aging report of a day, ordered by name; empty past its end.

        Args:
            as_of: The day.
            offset: How many rows to skip.
            clinic_num: This clinic only. None: the whole office.

        Raises:
            ApiError: The request failed.
            ShuttingDown: The daemon is stopping.
        """
        params = {"DateAsOf": as_of.isoformat(), "Offset": str(offset)}
        if clinic_num is not None:
            params["ClinicNum"] = str(clinic_num)
        try:
            return await self.run(Request("aging_report", "GET", "/reports/Aging", params), decode.parse_report_rows)
        except ApiError as error:
            # The API returns 404 for some empty lists.
            if offset and error.failure.status == httpx.codes.NOT_FOUND:
                return []
            raise

    async def list_clinics(self) -> tuple[int, ...]:
        """The ClinicNums that the API lists, without hidden clinics and 0. Raises as `get_preference` does."""
        clinic_nums: dict[int, None] = {}

        async def fetch(offset: int) -> tuple[None, Sequence[int]]:
            request = Request("clinics", "GET", "/clinics", {"Offset": str(offset)} if offset else None)
            page = await self.run(request, decode.parse_clinics)
            clinic_nums.update(dict.fromkeys(page))
            # Few clinics are a whole list: no server has a smaller page.
            return None, page if len(page) >= PAGE_ROWS_MIN else ()

        await self._find(fetch, "end of the clinics")
        return tuple(clinic_nums)

    async def _find(
        self, fetch: Callable[[int], Awaitable[tuple[str | None, Sequence[object]]]], what: str
    ) -> str | None:
        """Read a list page by page until a value is found. None: the whole list was read and does not have it.

        Args:
            fetch: Reads the page at an offset: the value if it is there, and what identifies the rows of the page.
            what: What is looked for, for the message.
        """
        known: set[object] = set()
        offset = 0
        for _ in range(LIST_PAGES_MAX):
            try:
                value, page = await fetch(offset)
            except ApiError as error:
                # The API returns 404 for some empty lists.
                if error.failure.kind is FailureKind.NOT_FOUND and error.failure.status == httpx.codes.NOT_FOUND:
                    return None
                raise
            if value is not None or not page:
                return value
            if known.issuperset(page):
                # The offset is ignored, too. Only a list that is shorter than any page is then known to be whole.
                if len(known) < PAGE_ROWS_MIN:
                    return None
                break
            known.update(page)
            offset += len(page)
        raise ApiError(
            Failure(FailureKind.MALFORMED, f"no {what} in the {len(known)} rows that came: the list is not whole")
        )

    async def check_registered_key(self, developer_name: str) -> RegisteredKeys:
        """Whether the office's own table of keys has the key in use. Raises as `query` does."""
        return await self.query(
            sql.select_registered_keys(developer_name),
            lambda rows: decode.parse_registered_keys(rows, self._auth.customer_key),
        )

    async def upload(self, sql: str, target: UploadTarget, *, asynchronous: bool) -> None:
        """Have the office upload the result of a query as a CSV file.

        Args:
            sql: The query.
            target: Where to.
            asynchronous: Have the API respond before the upload, if the office's version supports it.

        Raises:
            ApiError: The request failed; after a time-out the file may still arrive.
            ShuttingDown: The daemon is stopping.
        """
        body = {
            "SqlCommand": sql,
            "SftpAddress": target.address,
            "SftpUsername": target.username,
            "SftpPassword": target.password,
            "SftpPort": str(target.port),
            **({"IsAsync": "true"} if asynchronous else {}),
        }
        request = Request("query_upload", "POST", "/queries", content=msgspec.json.encode(body))
        await self.run(request, lambda _: None)

    async def read_clocks(self) -> decode.ClockReading:
        """The office server's NOW() and UTC_TIMESTAMP(), its identity and its aging. Raises as `query` does.

        The identity comes from GETs if the office's query user may not read the preferences.
        """
        reading = await self._query_unless_restricted(sql.select_clocks(), decode.parse_clocks)
        if reading is not None:
            return reading
        identity = await self.read_identity()
        return await self.query(sql.select_clocks(preferences=False), partial(decode.parse_clocks, identity=identity))

    async def read_control(self, office: OfficeSpec, since: datetime | None) -> ControlQueryResult:
        """The office's own totals, with its aging, clocks and identity of the same instant. Raises as `query` does.

        If the office's query user may not read the preferences, GETs read them, and the state of aging before and
        after the query must be the same.
        """
        control = await self._query_unless_restricted(sql.select_control(office, since), decode.parse_control)
        if control is not None:
            return control
        identity, mark = await self.read_identity(), await self.read_aging_mark()
        statement = sql.select_control(office, since, preferences=False)
        control = await self.query(statement, partial(decode.parse_control, elsewhere=(mark, identity)))
        if await self.read_aging_mark() != mark:
            raise ApiError(Failure(FailureKind.AGING_CHANGED))
        return control

    async def _query_unless_restricted(self, statement: str, parse: Callable[[Sequence[Row]], T]) -> T | None:
        """The result of a query on the preferences; None: the office's query user may not read them."""
        if self._is_restricted:
            return None
        try:
            return await self.query(statement, parse)
        except ApiError as error:
            if error.failure.kind is not FailureKind.QUERY_USER_RESTRICTED:
                raise
        self._is_restricted = True
        return None

    async def read_aging_mark(self) -> AgingMark:
        """The state of aging by GETs: the lock before the date. Raises as `query` does.

        In this order, a run that ends between the two requests is seen as running, never as incomplete.
        """
        begin = await self.get_preference("AgingBeginDateTime")
        return AgingMark(await self.get_preference("DateLastAging"), begin)

    async def read_identity(self) -> DatabaseIdentity:
        """Which database answers, by GETs: the same three checksums that a query returns. Raises as `query` does."""
        title = await self.get_preference("PracticeTitle")
        phone = await self.get_preference("PracticePhone")
        address = await self.get_preference("PracticeAddress")
        code = await self.get_preference("PracticeZip")
        return DatabaseIdentity(
            *(crc32(text.encode()) for text in (title.strip(), phone.strip(), address.strip() + code.strip()))
        )
