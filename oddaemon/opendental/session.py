"""The requests to an office: preferences, clinics, clocks, queries, pages of the aging report, uploads."""

from datetime import date, datetime
from zlib import crc32

import httpx
import msgspec

from oddaemon.core.diagnostics.diagnosis import RegisteredKeys
from oddaemon.core.failures.failure import Failure, FailureKind
from oddaemon.core.model import AgingMark, ControlQueryResult, DatabaseIdentity, OfficeSpec, UploadTarget
from oddaemon.core.snapshot.aging_report import ReportRow
from oddaemon.opendental import decode, sql
from oddaemon.opendental.decode_values import Row
from oddaemon.opendental.request_runner import Request, RequestRunner, parse_response
from oddaemon.opendental.response import ApiError


class Session(RequestRunner):
    """Requests of one action of one office, one after another."""

    _is_restricted = False
    """Whether a query on the preferences was denied to the office's query user."""

    def resume(self, previous_requests: int) -> None:
        """Continue an interrupted action that had sent this many requests."""
        self.requests += previous_requests

    async def get_preference(self, name: str) -> str:
        """The value of a preference as stored; `''` if the office does not have it.

        Raises:
            ApiError: The request failed.
            ShuttingDown: The daemon is stopping.
        """
        try:
            request = Request("preferences", "GET", "/preferences", params={"PrefName": name})
            return await self.run(request, lambda body: decode.parse_preference(body, name))
        except ApiError as error:
            if error.failure.kind is FailureKind.NOT_FOUND and error.failure.status == httpx.codes.NOT_FOUND:
                return ""
            raise

    async def query(self, sql: str) -> list[Row]:
        """The rows of a ShortQuery.

        Raises:
            ApiError: The request failed.
            ShuttingDown: The daemon is stopping.
        """
        content = msgspec.json.encode({"SqlCommand": sql})
        return await self.run(
            Request("short_query", "PUT", "/queries/ShortQuery", content=content), decode.parse_json_rows
        )

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
        """The ClinicNums that the API lists, without hidden clinics and 0. Raises as `query` does."""
        try:
            return await self.run(Request("clinics", "GET", "/clinics"), decode.parse_clinics)
        except ApiError as error:
            # The API returns 404 for some empty lists.
            if error.failure.status == httpx.codes.NOT_FOUND:
                return ()
            raise

    async def check_registered_key(self, developer_name: str) -> RegisteredKeys:
        """Whether the office's own table of keys has the key in use. Raises as `query` does."""
        key_rows = await self.query(sql.select_registered_keys(developer_name))
        return parse_response(lambda rows: decode.parse_registered_keys(rows, self._auth.customer_key), key_rows)

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
        rows = await self._query_unless_restricted(sql.select_clocks())
        if rows is not None:
            return parse_response(decode.parse_clocks, rows)
        identity = await self.read_identity()
        rows = await self.query(sql.select_clocks(preferences=False))
        return parse_response(lambda found: decode.parse_clocks(found, identity), rows)

    async def read_control(self, office: OfficeSpec, since: datetime | None) -> ControlQueryResult:
        """The office's own totals, with its aging, clocks and identity of the same instant. Raises as `query` does.

        If the office's query user may not read the preferences, GETs read them, and the state of aging before and
        after the query must be the same.
        """
        rows = await self._query_unless_restricted(sql.select_control(office, since))
        if rows is not None:
            return parse_response(decode.parse_control, rows)
        identity, mark = await self.read_identity(), await self.read_aging_mark()
        rows = await self.query(sql.select_control(office, since, preferences=False))
        if await self.read_aging_mark() != mark:
            raise ApiError(Failure(FailureKind.AGING_CHANGED))
        return parse_response(lambda found: decode.parse_control(found, (mark, identity)), rows)

    async def _query_unless_restricted(self, statement: str) -> list[Row] | None:
        """The rows of a query on the preferences; None: the office's query user may not read them."""
        if self._is_restricted:
            return None
        try:
            return await self.query(statement)
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
