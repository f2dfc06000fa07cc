"""Reads files that an office uploads to the SFTP receiver: a custom query for a past day, or a whole large office.

The API's response proves little: after a time-out the office may still be uploading. What counts is a complete file
whose rows match the office's own counts.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

import anyio.to_thread

from oddaemon.core.backfill.csv_upload import (
    LINE_CHARACTERS_MAX,
    CsvHeader,
    InvalidUpload,
    SurplusRows,
    find_header,
    parse_balances,
    parse_control_totals,
)
from oddaemon.core.backfill.custom_sql import InvalidQuery, make_count_query, prepare_query
from oddaemon.core.backfill.job import UploadStep
from oddaemon.core.failures.failure import Failure, FailureKind
from oddaemon.core.model import Balance, ControlTotals, Preferences
from oddaemon.core.snapshot.verify import compute_totals, find_difference
from oddaemon.opendental.client import ApiError, Session
from oddaemon.opendental.rate_limiter import RateLimiter
from oddaemon.sftp.upload_slot import (
    UploadMisnamedError,
    UploadMissingError,
    UploadReceiver,
    UploadRefusedError,
    UploadSlot,
    UploadTooLargeError,
    UploadUnstorableError,
)

T = TypeVar("T")

ASYNCHRONOUS_SINCE = (22, 1)
"""The first version with `IsAsync` is not documented; versions without it upload before they respond."""
MAY_STILL_ARRIVE = frozenset({FailureKind.GATEWAY_TIMEOUT, FailureKind.TIMEOUT})
_VERSION_PARTS = 2
_COUNT_LINES_MAX = 10
"""A header and a row."""
_FAILURE_KINDS: Mapping[type[UploadRefusedError], FailureKind] = {
    UploadTooLargeError: FailureKind.UPLOAD_TOO_LARGE,
    UploadMisnamedError: FailureKind.UPLOAD_MISNAMED,
    UploadUnstorableError: FailureKind.STORE,
}


_ROW_STEPS = (UploadStep.REQUESTING_UPLOAD, UploadStep.WAITING_FOR_UPLOAD)
_COUNT_STEPS = (UploadStep.REQUESTING_COUNT, UploadStep.WAITING_FOR_COUNT)


async def _ignore_step(_step: UploadStep) -> None:
    """The default for callers that show no progress."""


@dataclass(frozen=True, slots=True)
class UploadReader:
    """Has an office upload query results, and reads the files.

    Args:
        session: To the office.
        rate_limiter: Its closing ends the wait for a file; the next daemon requests the file again.
        receiver: Receives the files.
        program_version: Of the office's Open Dental, as its preference has it.
        on_step: Called before each step. Cancelling the reading there never interrupts a request.
    """

    session: Session
    rate_limiter: RateLimiter
    receiver: UploadReceiver
    program_version: str
    on_step: Callable[[UploadStep], Awaitable[None]] = _ignore_step

    async def read_query(self, query: str, rows_max: int) -> Collection[Balance]:
        """The balances of one of our own queries; the caller checks them against control totals.

        Args:
            query: The SQL.
            rows_max: The guarantors that the office counts.

        Raises:
            ApiError: No readable file arrived, or it has more rows.
        """
        async with self._open_file(query, _ROW_STEPS) as path:
            return await _parse_file(path, partial(parse_balances, rows_max=rows_max))

    async def read_day(self, query: str, as_of: date) -> tuple[Collection[Balance], ControlTotals]:
        """The balances of a custom query for a past day, and their totals, checked against its counts.

        Raises:
            ApiError: No readable file arrived, or it differs from the counts.
        """
        try:
            dated_query = prepare_query(query, as_of)
        except InvalidQuery as error:
            raise ApiError(Failure(FailureKind.SQL_ERROR, str(error))) from None
        async with self._open_file(dated_query, _ROW_STEPS) as path:
            # SQL sums over no rows are null, whether the file is `OK` or only a header.
            header = await _parse_file(path, find_header)
            totals = await self._read_count(dated_query, header)
            balances = await _parse_file(path, partial(parse_balances, rows_max=totals.guarantors))
        return await anyio.to_thread.run_sync(_verify, balances, totals)

    async def _read_count(self, query: str, header: CsvHeader | None) -> ControlTotals:
        """The office's own count and sums; before the rows are read, so that there cannot be more."""
        money = () if header is None else header.list_money_columns()
        async with self._open_file(make_count_query(query, money), _COUNT_STEPS) as path:
            line = await _parse_file(path, _find_last_line)
        try:
            return parse_control_totals(line, header)
        except InvalidUpload as error:
            raise _make_unreadable_error(error) from None

    @asynccontextmanager
    async def _open_file(self, query: str, steps: tuple[UploadStep, UploadStep]) -> AsyncIterator[Path]:
        async with self._open_slot() as slot:
            yield await self._receive_file(query, slot, steps)

    @asynccontextmanager
    async def _open_slot(self) -> AsyncIterator[UploadSlot]:
        try:
            async with self.receiver.open_slot() as slot:
                yield slot
        except UploadMissingError as error:
            raise ApiError(Failure(FailureKind.UPLOAD_MISSING, str(error))) from None
        except UploadRefusedError as error:
            raise ApiError(Failure(_FAILURE_KINDS[type(error)], str(error))) from None

    async def _receive_file(self, query: str, slot: UploadSlot, steps: tuple[UploadStep, UploadStep]) -> Path:
        request_step, wait_step = steps
        await self.on_step(request_step)
        try:
            await self.session.upload(query, slot.target, asynchronous=self._supports_async())
        except ApiError as error:
            if error.failure.kind not in MAY_STILL_ARRIVE:
                raise
        await self.on_step(wait_step)
        with self.rate_limiter.wait_unless_closed():
            return await slot.wait_for_file(self.receiver.wait_seconds)

    def _supports_async(self) -> bool:
        parts = self.program_version.split(".")[:_VERSION_PARTS]
        return all(part.isdecimal() for part in parts) and tuple(map(int, parts)) >= ASYNCHRONOUS_SINCE


def create_upload_reader(
    session: Session,
    rate_limiter: RateLimiter,
    receiver: UploadReceiver | None,
    preferences: Preferences | None,
    on_step: Callable[[UploadStep], Awaitable[None]] = _ignore_step,
) -> UploadReader:
    """The reader of an office's uploads; arguments as for `UploadReader`.

    Raises:
        ApiError: There is no receiver.
    """
    if receiver is None:
        raise ApiError(Failure(FailureKind.UPLOAD_MISSING, "the SFTP receiver is disabled: `[sftp] listen` is not set"))
    return UploadReader(session, rate_limiter, receiver, preferences.program_version if preferences else "", on_step)


async def _parse_file(path: Path, parse: Callable[[Iterator[str]], T]) -> T:
    """Parse the lines of a file; a line that is too long comes in pieces, so that it cannot exhaust the memory."""

    def read() -> T:
        with path.open(encoding="utf-8", errors="replace", newline="") as file:
            return parse(iter(partial(file.readline, LINE_CHARACTERS_MAX + 1), ""))

    try:
        return await anyio.to_thread.run_sync(read)
    except SurplusRows as error:
        raise ApiError(Failure(FailureKind.INCOMPLETE, str(error))) from None
    except InvalidUpload as error:
        raise _make_unreadable_error(error) from None
    except OSError as error:
        raise _make_unreadable_error(InvalidUpload(f"the file cannot be read: {error.strerror}")) from error


def _verify(balances: Collection[Balance], totals: ControlTotals) -> tuple[Collection[Balance], ControlTotals]:
    if (mismatch := find_difference(compute_totals(balances, totals.checksum), totals)) is not None:
        raise ApiError(Failure(FailureKind.INCOMPLETE, mismatch))
    return balances, compute_totals(balances)


def _find_last_line(lines: Iterator[str]) -> str:
    """The last line of a small file."""
    return next(reversed([line for line in islice(lines, _COUNT_LINES_MAX) if line.strip()]), "")


def _make_unreadable_error(error: InvalidUpload) -> ApiError:
    return ApiError(Failure(FailureKind.UPLOAD_UNREADABLE, str(error)))
