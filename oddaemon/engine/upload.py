"""Reads what an office uploads to our own receiver: the operator's query for a past day, or a whole large office.

The API's answer says little: where it times out, the office may be uploading all the same. What counts is that a whole
file came, and that it holds what the office's own server counts.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import date
from functools import partial
from itertools import islice
from pathlib import Path

import anyio.to_thread

from oddaemon.core.backfill import Step
from oddaemon.core.failure import Failure, Kind
from oddaemon.core.model import Balance
from oddaemon.core.operator_query import WrongQueryError, counted, dated
from oddaemon.core.report import Reported
from oddaemon.core.upload import LINE_MAX, Header, UploadError, balances_of, counted_totals, differs
from oddaemon.core.verify import totals_of
from oddaemon.opendental.client import ApiError, Session, UploadTo
from oddaemon.opendental.gate import Gate
from oddaemon.receiver import (
    Drop,
    Receiver,
    UploadMisnamedError,
    UploadMissingError,
    UploadRefusedError,
    UploadTooLargeError,
    UploadUnstorableError,
)

ASYNCHRONOUS_SINCE = (22, 1)
"""Which version brought `IsAsync` is not documented; one that does not know it uploads before it answers."""
MAY_COME_ALL_THE_SAME = frozenset({Kind.GATEWAY_TIMEOUT, Kind.TIMEOUT})
_VERSION_PARTS = 2
_COUNT_LINES_MAX = 10
"""A header and a row."""
_REFUSED: Mapping[type[UploadRefusedError], Kind] = {
    UploadTooLargeError: Kind.UPLOAD_TOO_LARGE,
    UploadMisnamedError: Kind.UPLOAD_MISNAMED,
    UploadUnstorableError: Kind.STORE,
}


_OF_ROWS = (Step.ASKING, Step.AWAITING)
_OF_COUNT = (Step.ASKING_COUNT, Step.AWAITING_COUNT)


def _untold(_step: Step) -> None:
    """For whoever does not watch."""


@dataclass(frozen=True, slots=True)
class Uploads:
    """The way to an office's files.

    Args:
        session: To the office.
        gate: Ends the wait for a file where the daemon is stopping; it is asked for anew by the next one.
        receiver: Takes them.
        program_version: Of the office's Open Dental, as its preference has it.
        told: Told of each step; what it raises ends the reading, between two requests.
    """

    session: Session
    gate: Gate
    receiver: Receiver
    program_version: str
    told: Callable[[Step], None] = _untold

    async def whole_office(self, query: str) -> Sequence[Balance]:
        """What the file of one of our own queries holds; who asks proves it by the office's controls.

        Raises:
            ApiError: No such file came.
        """
        return (await self._read(query))[1]

    async def past_day(self, query: str, as_of: date) -> Reported:
        """What the operator's query says of a day, counted by the office's own server.

        Raises:
            ApiError: No such file came, or it is not what the server counts.
        """
        try:
            dated_query = dated(query, as_of)
        except WrongQueryError as error:
            raise ApiError(Failure(Kind.SQL_ERROR, str(error))) from None
        header, balances = await self._read(dated_query)
        if not balances:
            # The sum of no rows is no number, whether the file says `OK` or is a header alone.
            header = None
        money = () if header is None else header.money()
        await self._require_counted(counted(dated_query, money), header, balances)
        return Reported(tuple(balances), totals_of(balances))

    async def _require_counted(self, query: str, header: Header | None, balances: Sequence[Balance]) -> None:
        line = await self._count(query)
        try:
            totals = counted_totals(line, header)
        except UploadError as error:
            raise _unreadable(error) from None
        if (wrong := differs(balances, totals)) is not None:
            raise ApiError(Failure(Kind.INCOMPLETE, wrong))

    async def _read(self, query: str) -> tuple[Header | None, list[Balance]]:
        async with self._expecting() as drop:
            path = await self._uploaded(query, drop, _OF_ROWS)
            try:
                return await anyio.to_thread.run_sync(_balances, path)
            except UploadError as error:
                raise _unreadable(error) from None

    async def _count(self, query: str) -> str:
        """The last line of a small file."""
        async with self._expecting() as drop:
            path = await self._uploaded(query, drop, _OF_COUNT)
            try:
                return await anyio.to_thread.run_sync(_last_line, path)
            except UploadError as error:
                raise _unreadable(error) from None

    @asynccontextmanager
    async def _expecting(self) -> AsyncIterator[Drop]:
        try:
            async with self.receiver.expecting() as drop:
                yield drop
        except UploadMissingError as error:
            raise ApiError(Failure(Kind.UPLOAD_MISSING, str(error))) from None
        except UploadRefusedError as error:
            raise ApiError(Failure(_REFUSED[type(error)], str(error))) from None

    async def _uploaded(self, query: str, drop: Drop, steps: tuple[Step, Step]) -> Path:
        asking, awaiting = steps
        self.told(asking)
        target = drop.target
        to = UploadTo(target.address, target.port, target.username, target.password)
        try:
            await self.session.upload(query, to, asynchronous=self._knows_asynchronous())
        except ApiError as error:
            if error.failure.kind not in MAY_COME_ALL_THE_SAME:
                raise
        self.told(awaiting)
        with self.gate.waiting():
            return await drop.whole(self.receiver.wait_seconds)

    def _knows_asynchronous(self) -> bool:
        parts = self.program_version.split(".")[:_VERSION_PARTS]
        return all(part.isdecimal() for part in parts) and tuple(map(int, parts)) >= ASYNCHRONOUS_SINCE


def _balances(path: Path) -> tuple[Header | None, list[Balance]]:
    with _lines(path) as lines:
        return balances_of(lines)


def _last_line(path: Path) -> str:
    with _lines(path) as lines:
        return next(reversed([line for line in islice(lines, _COUNT_LINES_MAX) if line.strip()]), "")


@contextmanager
def _lines(path: Path) -> Iterator[Iterator[str]]:
    """A file's lines; one that is too long comes in pieces, so that nobody fills the memory with it."""
    try:
        with path.open(encoding="utf-8", errors="replace", newline="") as file:
            yield iter(partial(file.readline, LINE_MAX + 1), "")
    except OSError as error:
        raise UploadError(f"the file cannot be read: {error.strerror}") from error


def _unreadable(error: UploadError) -> ApiError:
    return ApiError(Failure(Kind.UPLOAD_UNREADABLE, str(error)))
