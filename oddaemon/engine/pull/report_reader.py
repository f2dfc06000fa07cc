"""Reads the vendor's aging report: for keys without the Queries permission, and for past days.

A report has no control totals and its pages are positions in a list that the server builds for each request. So it is
read twice, page by page, and accepted when both readings agree row for row. During the night's pull the aging date is
checked before and after.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, date, datetime
from typing import NamedTuple, Self

from oddaemon.core.failures.failure import Failure, FailureKind
from oddaemon.core.model import (
    AgingMark,
    Balance,
    Checkpoint,
    ControlQueryResult,
    ControlTotals,
    OfficeSpec,
    Snapshot,
    index_balances,
)
from oddaemon.core.office.state import Pull, Pulled
from oddaemon.core.snapshot.aging_report import ReportCursor, make_balances
from oddaemon.core.snapshot.balance_rows import BalanceRows
from oddaemon.core.snapshot.plausibility import is_other_database
from oddaemon.core.snapshot.verify import ZERO_TOTALS, compute_totals, find_aging_change, find_difference
from oddaemon.engine.pull.checkpoint import PullStaging
from oddaemon.engine.pull.reader import make_size_failure
from oddaemon.opendental.client import ApiError, Session
from oddaemon.store.open_pulls import OpenPull


class ReportPage(NamedTuple):
    """A page of a report. Store the balances and the cursor together, or neither."""

    balances: Sequence[Balance]
    """What the first reading adds; empty in the second reading."""
    cursor: ReportCursor
    """How far the reading has come."""


class ReportReader:
    """Reads a report twice: iterate over its pages, then `verify`.

    Args:
        session: To the office.
        office: Its clinics, and which guarantors are included.
        as_of: The day of the report.
        cursor: How far an earlier attempt came.
        balances: The balances that the first reading of that attempt brought.
    """

    def __init__(
        self,
        session: Session,
        office: OfficeSpec,
        as_of: date,
        cursor: ReportCursor,
        balances: Collection[Balance],
    ) -> None:
        self._session = session
        self._office = office
        self._as_of = as_of
        self._clinics: Sequence[int | None] = office.clinics or (None,)
        self._cursor = cursor
        self._balances = index_balances(balances)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ReportPage:
        """Read the next page.

        Raises:
            ApiError: The request failed, or the page contradicts what was read before.
            ShuttingDown: The daemon is stopping.
        """
        cursor, office = self._cursor, self._office
        if cursor.is_complete(len(self._clinics)):
            raise StopAsyncIteration
        clinic = self._clinics[cursor.place]
        rows = await self._session.get_report_page(self._as_of, cursor.offset, clinic)
        guarantors = max(cursor.offset + len(rows), len(self._balances))
        if guarantors > self._session.max_guarantors:
            raise ApiError(make_size_failure(self._session, guarantors))
        page = make_balances(rows, office.include, clinic)
        if cursor.again is None:
            _require_new_rows(self._balances, page, cursor)
            self._balances.update(index_balances(page))
        elif cursor.again.guarantors > len(self._balances):
            raise _make_mismatch_error("the second reading of the report has more guarantors than the first")
        self._cursor = cursor.advance(len(rows), office.page_rows, len(self._clinics), page)
        return ReportPage(page if cursor.again is None else (), self._cursor)

    def verify(self) -> tuple[Collection[Balance], ControlTotals]:
        """The balances in ascending order of pat_num, and their totals, after all pages were read.

        Raises:
            ApiError: The two readings differ.
        """
        second = self._cursor.again
        assert second is not None, "every page was read twice"
        mismatch = find_difference(compute_totals(self._balances.values()), second)
        if mismatch is not None:
            raise _make_mismatch_error(f"two readings of the report differ: {mismatch}")
        return sorted(self._balances.values()), second


async def read_by_report(
    session: Session,
    office: OfficeSpec,
    action: Pull,
    *,
    staging: PullStaging,
    resumed: OpenPull | None,
    now: Callable[[], datetime],
) -> tuple[Pulled, Snapshot]:
    """The night's pull of an office whose key may not query. Arguments and errors as for `read_office`."""
    first = await _read_control(session, office, action, now())
    cursor, balances = ReportCursor(), BalanceRows()
    if resumed is not None:
        report = resumed.checkpoint.report
        if report is None or find_aging_change(action.expected, resumed.checkpoint.first) is not None:
            await staging.discard()
        else:
            cursor, balances = ReportCursor(*report), resumed.balances
            session.resume(resumed.checkpoint.requests)
    rows, started_at = len(balances), now()
    reader = ReportReader(session, office, action.aging_date, cursor, balances)
    async with staging.discard_if_invalid():
        async for page, reached in reader:
            rows += len(page)
            position = (reached.place, reached.offset, reached.again)
            checkpoint = Checkpoint(started_at, first, 0, session.requests, staging.scope, report=position)
            await staging.add(page, checkpoint, rows=rows, now=now())
        verified, totals = reader.verify()
        _require_unchanged(action, await session.read_aging_mark())
    observed_at = now()
    control = _set_office_time(first, office, observed_at)._replace(totals=totals)
    pulled = Pulled(action.aging_date, session.requests, control, action.packing, skew_seconds=0.0)
    return pulled, Snapshot(action.aging_date, observed_at, action.reader, session.requests, totals, verified)


async def _read_control(session: Session, office: OfficeSpec, action: Pull, now: datetime) -> ControlQueryResult:
    mark = await session.read_aging_mark()
    _require_unchanged(action, mark)
    identity = await session.read_identity()
    if action.identity is not None and is_other_database(action.identity, identity):
        raise ApiError(Failure(FailureKind.OTHER_DATABASE))
    naive = now.replace(tzinfo=None)
    return _set_office_time(
        ControlQueryResult(ZERO_TOTALS, mark.date_last_aging, mark.aging_begin, naive, naive, identity), office, now
    )


def _require_unchanged(action: Pull, mark: AgingMark) -> None:
    change = find_aging_change(action.expected, mark)
    if change is not None:
        raise ApiError(Failure(FailureKind.AGING_CHANGED, change))


def _set_office_time(control: ControlQueryResult, office: OfficeSpec, now: datetime) -> ControlQueryResult:
    """The control with the time of the office's configured zone: this key cannot query the server's clock."""
    zone = office.zone or UTC
    return control._replace(
        office_now=now.astimezone(zone).replace(tzinfo=None), utc_now=now.astimezone(UTC).replace(tzinfo=None)
    )


def _require_new_rows(known: dict[int, Balance], page: Sequence[Balance], cursor: ReportCursor) -> None:
    """Reject a page of known rows: the server ignores the offset, or the list changed during the reading."""
    repeated = [balance for balance in page if balance.pat_num in known]
    if any(known[balance.pat_num] != balance for balance in repeated):
        raise _make_mismatch_error("a guarantor changed while the report was read")
    if page and cursor.offset and len(repeated) == len(page):
        raise ApiError(
            Failure(FailureKind.MALFORMED, "a page of the report repeats earlier ones: the server ignores Offset")
        )


def _make_mismatch_error(why: str) -> ApiError:
    return ApiError(Failure(FailureKind.INCOMPLETE, why))
