"""Reads an office by the vendor's aging report, for keys that may not query and for days that are past.

A report has no control totals: it is read twice, and both readings must be the same row for row. What a night's pull
needs besides (where aging stands, whose database answers) is asked for with GETs, before and after.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import UTC, date, datetime
from zlib import crc32

from oddaemon.core.failures.failure import Failure, FailureKind
from oddaemon.core.model import (
    AgingMark,
    Balance,
    Checkpoint,
    ControlQueryResult,
    DatabaseIdentity,
    Office,
    Snapshot,
    sort_balances,
)
from oddaemon.core.office.state import Pull
from oddaemon.core.snapshot.aging_report import ZERO_TOTALS, ReportCursor, ReportResult, make_balances
from oddaemon.core.snapshot.plausibility import is_other_database
from oddaemon.core.snapshot.verify import find_aging_change, find_difference
from oddaemon.engine.pull.checkpoint import PullStaging
from oddaemon.engine.pull.reader import VerifiedPull
from oddaemon.opendental.client import ApiError, Session
from oddaemon.store.open_pulls import OpenPull

PageCallback = Callable[[Sequence[Balance], ReportCursor], Awaitable[None]]
"""Stores a page of the first reading (nothing of the second) and how far that reaches, both or neither."""


async def read_report(
    session: Session,
    office: Office,
    as_of: date,
    store_page: PageCallback,
    previous: tuple[ReportCursor, Collection[Balance]] = (ReportCursor(), ()),
) -> ReportResult:
    """Read a report twice.

    Args:
        session: To the office.
        office: Whose guarantors, and which of them.
        as_of: The day.
        store_page: Takes each page.
        previous: How far a former attempt came, and the balances of its first reading.

    Raises:
        ApiError: No such answer came, or the two readings differ.
        GateClosedError: The daemon is stopping; what was kept stays.
    """
    lists: Sequence[int | None] = office.clinics or (None,)
    cursor, balances = previous[0], {balance.pat_num: balance for balance in previous[1]}
    while not cursor.is_complete(len(lists)):
        clinic = lists[cursor.place]
        rows = await session.get_report_page(as_of, cursor.offset, clinic)
        page = make_balances(rows, office.include, clinic)
        first_reading = cursor.again is None
        if first_reading:
            _require_new_rows(balances, page, cursor)
            balances.update((balance.pat_num, balance) for balance in page)
        elif cursor.again is not None and cursor.again.guarantors > len(balances):
            raise _make_mismatch_error("the second reading of the report has more guarantors than the first")
        cursor = cursor.advance(len(rows), office.page_rows, len(lists), page)
        await store_page(page if first_reading else (), cursor)
    assert cursor.again is not None, "a whole report was read twice"
    mismatch = find_difference(balances.values(), cursor.again)
    if mismatch is not None:
        raise _make_mismatch_error(f"two readings of the report differ: {mismatch}")
    return ReportResult(sort_balances(balances), cursor.again)


async def read_by_report(
    session: Session,
    office: Office,
    action: Pull,
    *,
    staging: PullStaging,
    resumed: OpenPull | None,
    now: Callable[[], datetime],
) -> VerifiedPull:
    """The night's pull of an office whose key may not query. Arguments and errors as for `read_office`."""
    first = await _read_control(session, office, action, now())
    previous: tuple[ReportCursor, Collection[Balance]] = ReportCursor(), ()
    if resumed is not None:
        if (
            resumed.checkpoint.report is None
            or find_aging_change(action.expected, resumed.checkpoint.first) is not None
        ):
            await staging.discard()
        else:
            previous = ReportCursor(*resumed.checkpoint.report), resumed.balances.values()
            session.resume(resumed.checkpoint.requests)
    rows = len(previous[1])
    started_at = now()

    async def store_page(page: Sequence[Balance], cursor: ReportCursor) -> None:
        nonlocal rows
        rows += len(page)
        report = (cursor.place, cursor.offset, cursor.again)
        checkpoint = Checkpoint(started_at, first, 0, session.requests, staging.scope, report=report)
        await staging.add(page, checkpoint, rows=rows)

    try:
        result = await read_report(session, office, action.aging_date, store_page, previous)
        _require_unchanged(action, await _read_aging_mark(session))
    except ApiError as error:
        if error.failure.kind in {FailureKind.INCOMPLETE, FailureKind.AGING_CHANGED}:
            await staging.discard()
        raise
    observed_at = now()
    last = _set_office_time(first, office, observed_at)._replace(totals=result.totals)
    snapshot = Snapshot(action.aging_date, observed_at, action.reader, session.requests, last.totals, result.balances)
    return VerifiedPull(snapshot, last, parts=1)


async def read_identity(session: Session) -> DatabaseIdentity:
    """Which database answers, by GETs; the same three checksums that a statement brings."""
    title = await session.get_preference("PracticeTitle")
    phone = await session.get_preference("PracticePhone")
    address = await session.get_preference("PracticeAddress")
    code = await session.get_preference("PracticeZip")
    return DatabaseIdentity(
        *(crc32(text.encode()) for text in (title.strip(), phone.strip(), address.strip() + code.strip()))
    )


async def _read_control(session: Session, office: Office, action: Pull, now: datetime) -> ControlQueryResult:
    mark = await _read_aging_mark(session)
    _require_unchanged(action, mark)
    identity = await read_identity(session)
    if action.identity is not None and is_other_database(action.identity, identity):
        raise ApiError(Failure(FailureKind.OTHER_DATABASE))
    naive = now.replace(tzinfo=None)
    return _set_office_time(
        ControlQueryResult(ZERO_TOTALS, mark.date_last_aging, mark.aging_begin, naive, naive, identity), office, now
    )


async def _read_aging_mark(session: Session) -> AgingMark:
    """The lock before the date, as a probe reads them."""
    begin = await session.get_preference("AgingBeginDateTime")
    return AgingMark(await session.get_preference("DateLastAging"), begin)


def _require_unchanged(action: Pull, mark: AgingMark) -> None:
    change = find_aging_change(action.expected, mark)
    if change is not None:
        raise ApiError(Failure(FailureKind.AGING_CHANGED, change))


def _set_office_time(control: ControlQueryResult, office: Office, now: datetime) -> ControlQueryResult:
    """The control with the time that the office's configured zone says: a key that may not query cannot ask for it."""
    zone = office.zone or UTC
    return control._replace(
        office_now=now.astimezone(zone).replace(tzinfo=None), utc_now=now.astimezone(UTC).replace(tzinfo=None)
    )


def _require_new_rows(known: dict[int, Balance], page: Sequence[Balance], cursor: ReportCursor) -> None:
    """A page that repeats what is known is none: its server ignores the offset, or the list moved under the reading."""
    repeated = [balance for balance in page if balance.pat_num in known]
    if any(known[balance.pat_num] != balance for balance in repeated):
        raise _make_mismatch_error("a guarantor changed while the report was read")
    if page and cursor.offset and len(repeated) == len(page):
        raise ApiError(
            Failure(FailureKind.MALFORMED, "a page of the report repeats the former ones: its Offset is ignored")
        )


def _make_mismatch_error(why: str) -> ApiError:
    return ApiError(Failure(FailureKind.INCOMPLETE, why))
