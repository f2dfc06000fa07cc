"""Reads an office by the vendor's aging report, for keys that may not query and for days that are past.

A report has no control totals: it is read twice, and both readings must be the same row for row. What a night's pull
needs besides (where aging stands, whose database answers) is asked for with GETs, before and after.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, date, datetime
from zlib import crc32

from oddaemon.core.failure import Failure, Kind
from oddaemon.core.model import AgingMark, Balance, Checkpoint, Control, Identity, Office
from oddaemon.core.plausibility import is_other
from oddaemon.core.report import NOTHING, Progress, Reported, balances_of
from oddaemon.core.state import Pull
from oddaemon.core.verify import aging_moved, difference_of
from oddaemon.engine.reading import Proved
from oddaemon.engine.staging import Staging
from oddaemon.opendental.client import ApiError, Session
from oddaemon.store.pulls import OpenPull

Keep = Callable[[Sequence[Balance], Progress], Awaitable[None]]
"""Stores a page of the first reading (nothing of the second) and how far that reaches, both or neither."""


async def read_report(
    session: Session,
    office: Office,
    as_of: date,
    keep: Keep,
    former: tuple[Progress, Sequence[Balance]] = (Progress(), ()),
) -> Reported:
    """Read a report twice.

    Args:
        session: To the office.
        office: Whose guarantors, and which of them.
        as_of: The day.
        keep: Takes each page.
        former: How far a former attempt came, and the balances of its first reading.

    Raises:
        ApiError: No such answer came, or the two readings differ.
        GateClosedError: The daemon is stopping; what was kept stays.
    """
    lists: Sequence[int | None] = office.clinics or (None,)
    progress, balances = former[0], {balance.pat_num: balance for balance in former[1]}
    while not progress.is_whole(len(lists)):
        clinic = lists[progress.place]
        rows = await session.report(as_of, progress.offset, clinic)
        page = balances_of(rows, office.include, clinic)
        first_reading = progress.again is None
        if first_reading:
            _require_news(balances, page, progress)
            balances.update((balance.pat_num, balance) for balance in page)
        elif progress.again is not None and progress.again.guarantors > len(balances):
            raise _differs("the second reading of the report has more guarantors than the first")
        progress = progress.after(len(rows), office.page_rows, len(lists), page)
        await keep(page if first_reading else (), progress)
    assert progress.again is not None, "a whole report was read twice"
    ordered = tuple(sorted(balances.values()))
    wrong = difference_of(ordered, progress.again)
    if wrong is not None:
        raise _differs(f"two readings of the report differ: {wrong}")
    return Reported(ordered, progress.again)


async def read_by_report(
    session: Session,
    office: Office,
    action: Pull,
    *,
    staging: Staging,
    resumed: OpenPull | None,
    now: Callable[[], datetime],
) -> Proved:
    """The night's pull of an office whose key may not query. Arguments and errors as for `read_office`."""
    first = await _control(session, office, action, now())
    former: tuple[Progress, Sequence[Balance]] = Progress(), ()
    if resumed is not None:
        if resumed.checkpoint.report is None or aging_moved(action.expected, resumed.checkpoint.first) is not None:
            await staging.discard()
        else:
            former = Progress(*resumed.checkpoint.report), resumed.balances
            session.resume(resumed.checkpoint.requests)
    rows = len(former[1])
    started_at = now()

    async def keep(page: Sequence[Balance], progress: Progress) -> None:
        nonlocal rows
        rows += len(page)
        report = (progress.place, progress.offset, progress.again)
        checkpoint = Checkpoint(started_at, first, 0, session.requests, staging.scope, report=report)
        await staging.add(page, checkpoint, rows=rows)

    try:
        reported = await read_report(session, office, action.aging_date, keep, former)
        _require_still(action, await _aging(session))
    except ApiError as error:
        if error.failure.kind in {Kind.INCOMPLETE, Kind.AGING_MOVED}:
            await staging.discard()
        raise
    observed_at = now()
    last = _timed(first, office, observed_at)._replace(totals=reported.totals)
    return Proved(reported.balances, last, observed_at, parts=1)


async def identity_of(session: Session) -> Identity:
    """Which database answers, by GETs; the same three checksums that a statement brings."""
    title = await session.preference("PracticeTitle")
    phone = await session.preference("PracticePhone")
    address = await session.preference("PracticeAddress")
    code = await session.preference("PracticeZip")
    return Identity(*(crc32(text.encode()) for text in (title.strip(), phone.strip(), address.strip() + code.strip())))


async def _control(session: Session, office: Office, action: Pull, now: datetime) -> Control:
    mark = await _aging(session)
    _require_still(action, mark)
    identity = await identity_of(session)
    if action.identity is not None and is_other(action.identity, identity):
        raise ApiError(Failure(Kind.OTHER_DATABASE))
    naive = now.replace(tzinfo=None)
    return _timed(Control(NOTHING, mark.date_last_aging, mark.aging_begin, naive, naive, identity), office, now)


async def _aging(session: Session) -> AgingMark:
    """The lock before the date, as a probe reads them."""
    begin = await session.preference("AgingBeginDateTime")
    return AgingMark(await session.preference("DateLastAging"), begin)


def _require_still(action: Pull, mark: AgingMark) -> None:
    moved = aging_moved(action.expected, mark)
    if moved is not None:
        raise ApiError(Failure(Kind.AGING_MOVED, moved))


def _timed(control: Control, office: Office, now: datetime) -> Control:
    """The control with the time that the office's configured zone says: a key that may not query cannot ask for it."""
    zone = office.zone or UTC
    return control._replace(
        office_now=now.astimezone(zone).replace(tzinfo=None), utc_now=now.astimezone(UTC).replace(tzinfo=None)
    )


def _require_news(known: dict[int, Balance], page: Sequence[Balance], progress: Progress) -> None:
    """A page that repeats what is known is none: its server ignores the offset, or the list moved under the reading."""
    repeated = [balance for balance in page if balance.pat_num in known]
    if any(known[balance.pat_num] != balance for balance in repeated):
        raise _differs("a guarantor changed while the report was read")
    if page and progress.offset and len(repeated) == len(page):
        raise ApiError(Failure(Kind.MALFORMED, "a page of the report repeats the former ones: its Offset is ignored"))


def _differs(why: str) -> ApiError:
    return ApiError(Failure(Kind.INCOMPLETE, why))
