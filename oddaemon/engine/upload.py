"""Reads what an office uploads to our own receiver: the operator's query for a past day, or a whole large office.

The API's answer says little: where it times out, the office may be uploading all the same. What counts is that a whole
file came, and that it holds what the office's own server counts.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import anyio.to_thread

from oddaemon.core.backfill import Step
from oddaemon.core.failure import Failure, Kind
from oddaemon.core.model import Balance
from oddaemon.core.operator_query import WrongQueryError, counted, dated
from oddaemon.core.report import Reported
from oddaemon.core.upload import Header, UploadError, balances_of, counted_totals, differs
from oddaemon.core.verify import totals_of
from oddaemon.opendental.client import ApiError, Session, UploadTo
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
        receiver: Takes them.
        program_version: Of the office's Open Dental, as its preference has it.
        told: Told of each step; what it raises ends the reading, between two requests.
    """

    session: Session
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
        money = () if header is None else header.money()
        await self._require_counted(counted(dated_query, money), header, balances)
        return Reported(tuple(balances), totals_of(balances))

    async def _require_counted(self, query: str, header: Header | None, balances: Sequence[Balance]) -> None:
        lines = await self._lines(query)
        try:
            totals = counted_totals(lines[-1] if lines else "", header)
        except UploadError as error:
            raise _unreadable(error) from None
        if (wrong := differs(balances, totals)) is not None:
            raise ApiError(Failure(Kind.INCOMPLETE, wrong))

    async def _read(self, query: str) -> tuple[Header | None, list[Balance]]:
        async with self.receiver.expecting() as drop:
            path = await self._uploaded(query, drop, _OF_ROWS)
            try:
                return await anyio.to_thread.run_sync(_balances, path)
            except UploadError as error:
                raise _unreadable(error) from None

    async def _lines(self, query: str) -> list[str]:
        """A small file's."""
        async with self.receiver.expecting() as drop:
            path = await self._uploaded(query, drop, _OF_COUNT)
            text = await anyio.Path(path).read_text(encoding="utf-8", errors="replace")
            return [line for line in text.splitlines() if line.strip()]

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
        try:
            return await drop.whole(self.receiver.wait_seconds)
        except UploadMissingError as error:
            raise ApiError(Failure(Kind.UPLOAD_MISSING, str(error))) from None
        except UploadRefusedError as error:
            raise ApiError(Failure(_REFUSED[type(error)], str(error))) from None

    def _knows_asynchronous(self) -> bool:
        parts = self.program_version.split(".")[:_VERSION_PARTS]
        return all(part.isdecimal() for part in parts) and tuple(map(int, parts)) >= ASYNCHRONOUS_SINCE


def _balances(path: Path) -> tuple[Header | None, list[Balance]]:
    try:
        with path.open(encoding="utf-8", errors="replace", newline="") as lines:
            return balances_of(lines)
    except OSError as error:
        raise UploadError(f"the file cannot be read: {error.strerror}") from error


def _unreadable(error: UploadError) -> ApiError:
    return ApiError(Failure(Kind.UPLOAD_UNREADABLE, str(error)))
