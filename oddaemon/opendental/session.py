"""What an office can be asked: its preferences, clinics and clocks, a query, a page of its aging report, an upload."""

from dataclasses import dataclass, field
from datetime import date

import httpx
import msgspec

from oddaemon.core.examination import HeldKeys
from oddaemon.core.failure import Kind
from oddaemon.core.report import ReportRow
from oddaemon.opendental import sql, wire
from oddaemon.opendental.answer import ApiError
from oddaemon.opendental.exchange import Exchange, Question, understood
from oddaemon.opendental.report import report_rows


@dataclass(frozen=True, slots=True)
class UploadTo:
    """Where an office is to upload to."""

    address: str
    """Host, folder and file."""
    port: int
    username: str
    password: str = field(repr=False)


class Session:
    """Requests of one action of one office, one after another."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._former_requests = 0

    def resume(self, former_requests: int) -> None:
        """The action goes on where one that was interrupted ended, which had sent so many."""
        self._former_requests += former_requests

    @property
    def requests(self) -> int:
        """So many were sent for this action, an interrupted one before it included."""
        return self._former_requests + self._exchange.requests

    @property
    def answering_seconds(self) -> float:
        """How long they took, without the waits for the key's turn."""
        return self._exchange.answering_seconds

    async def preference(self, name: str) -> str:
        """The value of a preference as stored; `''` where the office does not have it.

        Raises:
            ApiError: No such answer came.
            GateClosedError: The daemon is stopping.
        """
        try:
            question = Question("preferences", "GET", "/preferences", params={"PrefName": name})
            return await self._exchange.ask(question, lambda body: wire.preference(body, name))
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
        return await self._exchange.ask(
            Question("short_query", "PUT", "/queries/ShortQuery", content=content), wire.rows
        )

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
            return await self._exchange.ask(Question("aging_report", "GET", "/reports/Aging", params), report_rows)
        except ApiError as error:
            # Some lists of the API are 404 where others are empty.
            if offset and error.failure.status == httpx.codes.NOT_FOUND:
                return []
            raise

    async def clinics(self) -> tuple[int, ...]:
        """The ClinicNums that the API lists: neither hidden ones nor 0. Raises as `query` does."""
        try:
            return await self._exchange.ask(Question("clinics", "GET", "/clinics"), wire.clinics)
        except ApiError as error:
            # Some lists of the API are 404 where others are empty.
            if error.failure.status == httpx.codes.NOT_FOUND:
                return ()
            raise

    async def holds_key(self, developer_name: str) -> HeldKeys:
        """Whether the office's own table of keys has the one that is asked with. Raises as `query` does."""
        answer = await self.query(sql.held_keys(developer_name))
        return understood(lambda rows: wire.held_keys(rows, self._exchange.key), answer)

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
        question = Question("query_upload", "POST", "/queries", content=msgspec.json.encode(command))
        await self._exchange.ask(question, lambda _: None)

    async def clocks(self) -> wire.Clocks:
        """The office server's NOW() and UTC_TIMESTAMP(), and its identity. Raises as `query` does."""
        answer = await self.query(sql.clock())
        return understood(wire.clocks, answer)
