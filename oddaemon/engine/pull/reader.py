"""Reads one office completely and returns only verified balances.

However the rows were read, they must match the office's own control totals of one instant row for row, with aging
unchanged since the pull was planned. Rows that changed between two requests are read again by their time stamp; a pull
that still does not add up is discarded.
"""

from collections.abc import Awaitable, Callable, Collection
from datetime import datetime
from functools import partial
from typing import TypeVar

import anyio.to_thread

from oddaemon.core.failures.failure import Failure, FailureKind
from oddaemon.core.model import Balance, Checkpoint, ControlQueryResult, OfficeSpec, Reader, Snapshot
from oddaemon.core.office.clock import compute_skew
from oddaemon.core.office.state import Pull, Pulled
from oddaemon.core.snapshot.balance_rows import BalanceRows
from oddaemon.core.snapshot.packing import (
    FIRST_PACKING,
    GUARANTORS_PER_GROUP_MIN,
    Packing,
    plan_packing,
)
from oddaemon.core.snapshot.plausibility import is_other_database
from oddaemon.core.snapshot.verify import find_aging_change, find_difference
from oddaemon.engine.pull.checkpoint import PULL_TIME_MAX, PullStaging
from oddaemon.opendental import decode, sql
from oddaemon.opendental.client import ApiError, Session
from oddaemon.store.open_pulls import OpenPull

PATCHES_MAX = 3
"""How often changed rows are read again before the pull is rejected."""
CHANGED_PAGES_MAX = 20
"""With more changes than this, reading the office again is better."""

NEW_GUARANTORS_MAX = 1_000
"""That an office may add between the control query and its upload."""
THREAD_GUARANTORS_MIN = 1_500
"""The packing of fewer is planned in a millisecond; of more in a thread, as large responses are decoded."""
UploadFunction = Callable[[str, int], Awaitable[Collection[Balance]]]
"""Reads the result of a query from an upload; the number is the most rows that it may have."""
T = TypeVar("T")


async def read_office(
    session: Session,
    office: OfficeSpec,
    action: Pull,
    *,
    staging: PullStaging,
    resumed: OpenPull | None,
    now: Callable[[], datetime],
    upload: UploadFunction | None = None,
) -> tuple[Pulled, Snapshot]:
    """Read and verify an office. Returns what the next action depends on, and what is to be published.

    Args:
        session: To the office.
        office: Its clinics, and which guarantors are included.
        action: How to read, and the expected state of aging.
        staging: Stores the rows of a pull that takes several requests.
        resumed: The rows of an earlier attempt; used if they are still valid.
        now: The wall clock.
        upload: Reads the rows of a query from an uploaded file. None: the rows come in responses.

    Raises:
        ApiError: The pull failed; the rows read so far are kept only if a later attempt can continue from them.
        ShuttingDown: The daemon is stopping; the checkpoint stays.
        StoreError: The checkpoint could not be stored.
    """
    reader = _PullReader(session, office, action, staging, now)
    async with staging.discard_if_invalid():
        if resumed is not None:
            await reader.resume(resumed)
        if upload is not None:
            await reader.read_upload(upload)
        elif action.reader is Reader.STATEMENT:
            await reader.read_statements()
        else:
            await reader.read_pages()
        return await reader.verify()


class _PullReader:
    """The rows read so far, the position, and the control queries around them."""

    def __init__(
        self, session: Session, office: OfficeSpec, action: Pull, staging: PullStaging, now: Callable[[], datetime]
    ) -> None:
        self._session = session
        self._office = office
        self._action = action
        self._staging = staging
        self._now = now
        self._started_at = now()
        self._balances = BalanceRows()
        self._after_pat_num: int | None = None
        self._first_control: ControlQueryResult | None = None
        self._last_control: ControlQueryResult | None = None
        self._observed_at = self._started_at
        self._packing = action.packing

    async def resume(self, pull: OpenPull) -> None:
        """Continue with the rows of an earlier attempt if aging has not changed since."""
        is_expired = self._now() - pull.checkpoint.started_at > PULL_TIME_MAX
        if is_expired or find_aging_change(self._action.expected, pull.checkpoint.first) is not None:
            await self._staging.discard()
            return
        self._first_control = pull.checkpoint.first
        self._after_pat_num = pull.checkpoint.last_pat_num
        self._started_at = pull.checkpoint.started_at
        self._session.resume(pull.checkpoint.requests)
        self._balances = pull.balances
        if pull.checkpoint.packings is not None:
            requested, next_packing = (Packing(*spans) for spans in pull.checkpoint.packings)
            # After a truncated column the action has another packing, which then takes precedence.
            self._packing = next_packing if requested == self._action.packing else self._action.packing

    async def read_statements(self) -> None:
        """Read packed statements until the office is complete: one, for all but the largest offices."""
        while True:
            statement = sql.select_packed(self._office, self._packing, self._after_pat_num, self._action.since)
            packed = await self._session.query(statement, partial(decode.parse_packed, packing=self._packing))
            self._accept_control(packed.control)
            if self._after_pat_num is not None:
                _require_later_rows(packed.balances, self._after_pat_num)
            self._balances.update(packed.balances)
            if packed.last_group is None or len(self._balances) >= packed.control.totals.guarantors:
                return
            self._after_pat_num = (packed.last_group + 1) * self._packing.group_span - 1
            if len(packed.balances) < GUARANTORS_PER_GROUP_MIN * packed.groups:
                self._packing = _widen_packing(self._packing, packed)
            await self._store_checkpoint(packed.balances)

    async def read_pages(self) -> None:
        """Read key-set pages between two control queries."""
        if self._first_control is None:
            await self._read_control()
        await self._read_remaining(self._require(self._first_control).totals.guarantors)
        if self._balances or self._last_control is None:
            await self._read_control()

    async def read_upload(self, upload: UploadFunction) -> None:
        """Read one uploaded file between two control queries."""
        await self._read_control()
        rows_max = self._require(self._first_control).totals.guarantors + NEW_GUARANTORS_MAX
        self._balances.update(BalanceRows.of(await upload(sql.select_all(self._office), rows_max)))
        await self._read_control()

    async def verify(self) -> tuple[Pulled, Snapshot]:
        """Check the balances against the control totals; read changed rows again if necessary.

        Raises:
            ApiError: They do not add up.
        """
        patches = 0
        while (mismatch := self._find_difference()) is not None:
            if patches == PATCHES_MAX or self._is_one_instant():
                raise ApiError(Failure(FailureKind.INCOMPLETE, mismatch))
            patches += 1
            await self._reread_changed()
        control = self._require(self._last_control)
        self._balances.sort()
        snapshot = Snapshot(
            self._action.aging_date,
            self._observed_at,
            self._action.reader,
            self._session.requests,
            control.totals,
            self._balances,
        )
        skew = compute_skew(self._office.zone, control.office_now, control.utc_now, self._observed_at)
        packing = await self._plan_next()
        return Pulled(snapshot.aging_date, snapshot.requests, control, packing, skew.total_seconds()), snapshot

    async def _plan_next(self) -> Packing | None:
        """The packing of the office's next statement: planned from all of its rows, unless one statement was enough."""
        action = self._action
        if action.reader is Reader.SFTP or (action.packing != FIRST_PACKING and self._is_one_instant()):
            return action.packing
        if len(self._balances) < THREAD_GUARANTORS_MIN:
            return plan_packing(self._balances)
        return await anyio.to_thread.run_sync(plan_packing, self._balances)

    def _find_difference(self) -> str | None:
        return find_difference(self._balances.totals, self._require(self._last_control).totals)

    def _is_one_instant(self) -> bool:
        """Whether one statement was the whole pull: then no row can have changed during it."""
        return self._action.reader is Reader.STATEMENT and self._first_control is self._last_control

    async def _reread_changed(self) -> None:
        """Read the rows that changed since the first control query, then repeat the control query."""
        since, after = self._require(self._first_control).office_now, None
        for _ in range(CHANGED_PAGES_MAX):
            statement = sql.select_changed(self._office, since, after)
            changed = await self._session.query(statement, partial(decode.parse_changed, after_pat_num=after))
            for row in changed:
                self._balances.discard(row.pat_num)
                if row.balance is not None:
                    self._balances.update(BalanceRows.of([row.balance]))
            if len(changed) < self._office.page_rows:
                break
            after = changed[-1].pat_num
        else:
            raise ApiError(Failure(FailureKind.INCOMPLETE, "too many rows changed during the pull"))
        # Guarantors who came back into the selection may have pushed others beyond the end of the last page.
        await self._read_remaining(self._require(self._last_control).totals.guarantors)
        await self._read_control()

    async def _read_remaining(self, guarantors: int) -> None:
        """Read pages from the present position until there are this many guarantors, or no more rows."""
        while len(self._balances) < guarantors:
            after, rows_max = self._after_pat_num, self._office.page_rows
            parse = partial(decode.parse_page, after_pat_num=after, rows_max=rows_max)
            page = await self._session.query(sql.select_page(self._office, after), parse)
            if not page:
                return
            self._balances.update(page)
            self._after_pat_num = max(page.texts)
            await self._store_checkpoint(page)

    async def _read_control(self) -> None:
        self._accept_control(await self._session.read_control(self._office, self._action.since))

    def _accept_control(self, control: ControlQueryResult) -> None:
        """Check that the same database answered and that aging has not changed."""
        identity = self._action.identity or (self._first_control or control).identity
        if is_other_database(identity, control.identity):
            raise ApiError(Failure(FailureKind.OTHER_DATABASE))
        if control.totals.guarantors > self._session.max_guarantors:
            raise ApiError(make_size_failure(self._session, control.totals.guarantors))
        changed = find_aging_change(self._action.expected, control)
        if changed is not None:
            raise ApiError(Failure(FailureKind.AGING_CHANGED, changed))
        self._first_control = self._first_control or control
        self._last_control = control
        self._observed_at = self._now()

    async def _store_checkpoint(self, balances: BalanceRows) -> None:
        checkpoint = Checkpoint(
            self._started_at,
            self._require(self._first_control),
            self._after_pat_num or 0,
            self._session.requests,
            self._staging.scope,
            (_get_spans(self._action.packing), _get_spans(self._packing)),
        )
        await self._staging.add(balances, checkpoint, rows=len(self._balances), now=self._now())

    @staticmethod
    def _require(value: T | None) -> T:
        assert value is not None, "the first control query was read before"
        return value


def make_size_failure(session: Session, guarantors: int) -> Failure:
    """The office has more guarantors than the configuration allows."""
    return Failure(FailureKind.TOO_MANY_GUARANTORS, f"{guarantors}, and at most {session.max_guarantors} are read")


def _get_spans(packing: Packing) -> tuple[int, int]:
    return packing.lane_span, packing.lanes


def _widen_packing(packing: Packing, packed: decode.PackedRows) -> Packing:
    """A packing that fits these sparse rows, for the next statement.

    Raises:
        ApiError: They are too sparse for any packing.
    """
    wider = plan_packing(packed.balances)
    if wider is None or wider.group_span <= packing.group_span:
        raise ApiError(Failure(FailureKind.TOO_SPARSE, f"{len(packed.balances)} guarantors in {packed.groups} rows"))
    return wider


def _require_later_rows(balances: BalanceRows, after_pat_num: int) -> None:
    if min(balances.texts, default=after_pat_num + 1) <= after_pat_num:
        message = "rows are repeated: they precede the end of the previous statement"
        raise ApiError(Failure(FailureKind.MALFORMED, message))
