"""The requests to an office: preferences, clinics, clocks, queries, pages of the aging report, uploads."""

from datetime import date

import httpx
import msgspec

from oddaemon.core.diagnostics.diagnosis import RegisteredKeys
from oddaemon.core.failures.failure import FailureKind
from oddaemon.core.model import UploadTarget
from oddaemon.core.snapshot.aging_report import ReportRow
from oddaemon.opendental import decode, sql
from oddaemon.opendental.decode_values import Row
from oddaemon.opendental.request_runner import Request, RequestRunner, parse_response
from oddaemon.opendental.response import ApiError


class Session(RequestRunner):
    """Requests of one action of one office, one after another."""

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
        """The office server's NOW() and UTC_TIMESTAMP(), and its identity. Raises as `query` does."""
        rows = await self.query(sql.select_clocks())
        return parse_response(decode.parse_clocks, rows)
