"""Reads one office whole, and lets nothing out that is not proved.

Whichever way the rows came, the end is the same: they must equal, row for row, what the office's own control totals of
one instant say, with aging where it was when the pull was decided upon. Rows that moved between two requests are read
again by their time stamp; what still does not add up is thrown away.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import TypeVar

from oddaemon.core.failure import Failure, Kind
from oddaemon.core.model import Balance, Checkpoint, Control, Office, Reader
from oddaemon.core.packing import GUARANTORS_A_GROUP_MIN, LaneCutError, Packing, plan
from oddaemon.core.plausibility import is_other
from oddaemon.core.state import Pull
from oddaemon.core.verify import aging_moved, difference
from oddaemon.engine.staging import Staging
from oddaemon.opendental import sql, wire
from oddaemon.opendental.client import ApiError, Session
from oddaemon.store.pulls import OpenPull

PATCHES_MAX = 3
"""How often rows that moved meanwhile are read again before the pull is given up."""
MOVED_PAGES_MAX = 20
"""An office in which more moved meanwhile is better read anew."""

Upload = Callable[[str], Awaitable[Sequence[Balance]]]
"""Has the office upload the result of a query; the balances in it."""
PAT_NUM = attrgetter("pat_num")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Proved:
    """Balances that equal the office's table at one instant."""

    balances: tuple[Balance, ...]
    control: Control
    observed_at: datetime
    parts: int
    """Statements or pages that it took; what a former attempt left counts as one."""


async def read_office(
    session: Session,
    office: Office,
    action: Pull,
    *,
    staging: Staging,
    resumed: OpenPull | None,
    now: Callable[[], datetime],
    upload: Upload | None = None,
) -> Proved:
    """Read and prove an office.

    Args:
        session: To the office.
        office: Whose guarantors, and which of them.
        action: How to read, and where aging must stand.
        staging: Keeps what is read where that takes several requests.
        resumed: What a former attempt left there; used where it still holds.
        now: The wall clock.
        upload: Brings what a query's uploaded file holds; None: the rows come in answers.

    Raises:
        ApiError: With what went wrong; what was read so far is kept only if going on from it makes sense.
        GateClosedError: The daemon is stopping; the checkpoint stays.
        StoreError: The checkpoint could not be stored.
    """
    reading = _Reading(session, office, action, staging, now)
    try:
        if resumed is not None:
            await reading.resume(resumed)
        if upload is not None:
            await reading.upload(upload)
        elif action.reader is Reader.STATEMENT:
            await reading.statements()
        else:
            await reading.pages()
        return await reading.proved()
    except LaneCutError as error:
        raise ApiError(Failure(Kind.LANE_CUT, str(error))) from None
    except wire.MalformedError as error:
        raise ApiError(Failure(Kind.MALFORMED, str(error))) from None


class _Reading:
    """What has been read so far, how far it goes, and the controls around it."""

    def __init__(
        self, session: Session, office: Office, action: Pull, staging: Staging, now: Callable[[], datetime]
    ) -> None:
        self._session = session
        self._office = office
        self._action = action
        self._staging = staging
        self._now = now
        self._started_at = now()
        self._balances: dict[int, Balance] = {}
        self._after: int | None = None
        self._first: Control | None = None
        self._last: Control | None = None
        self._observed_at = self._started_at
        self._parts = 0
        self._packing = action.packing
        self._checksum: int | None = None

    async def resume(self, found: OpenPull) -> None:
        """Take up the rows of a former attempt, if they were read under the same aging."""
        if aging_moved(self._action.expected, found.checkpoint.first) is not None:
            await self._staging.discard()
            return
        self._first = found.checkpoint.first
        self._after = found.checkpoint.last_pat_num
        self._started_at = found.checkpoint.started_at
        self._session.resume(found.checkpoint.requests)
        self._balances = {balance.pat_num: balance for balance in found.balances}
        self._parts = 1
        if found.checkpoint.packings is not None:
            asked, following = (Packing(*spans) for spans in found.checkpoint.packings)
            # After a lane was cut another packing is asked for: then that one.
            self._packing = following if asked == self._action.packing else self._action.packing

    async def statements(self) -> None:
        """Packed statements until nothing is left: one, for all but the largest offices."""
        while True:
            answer = await self._session.query(
                sql.statement(self._office, self._packing, self._after, self._action.since)
            )
            packed = wire.packed(answer, self._packing)
            await self._take(packed.control)
            if self._after is not None:
                _all_after(packed.balances, self._after)
            self._add(packed.balances)
            self._checksum = packed.checksum if self._parts == 1 and self._first is self._last else None
            if packed.last_group is None or len(self._balances) >= packed.control.totals.guarantors:
                return
            self._after = (packed.last_group + 1) * self._packing.group_span - 1
            if len(packed.balances) < GUARANTORS_A_GROUP_MIN * packed.groups:
                self._packing = await self._wider(self._packing, packed)
            await self._store(packed.balances)

    async def _wider(self, packing: Packing, packed: wire.Packed) -> Packing:
        """What would have held these sparse rows, to go on with.

        Raises:
            ApiError: They are too sparse for any packing.
        """
        wider = plan(packed.balances)
        if wider is None or wider.group_span <= packing.group_span:
            await self._staging.discard()
            raise ApiError(Failure(Kind.TOO_SPARSE, f"{len(packed.balances)} guarantors in {packed.groups} rows"))
        return wider

    async def pages(self) -> None:
        """Key-set pages between two controls."""
        if self._first is None:
            await self._control()
        await self._read_on(self._known(self._first).totals.guarantors)
        if self._balances or self._last is None:
            await self._control()

    async def upload(self, upload: Upload) -> None:
        """One file between two controls."""
        await self._control()
        self._add(await upload(sql.everything(self._office)))
        await self._control()

    async def proved(self) -> Proved:
        """The balances, once they add up.

        Raises:
            ApiError: They do not, even after what moved was read again.
        """
        patches = 0
        while (wrong := self._difference()) is not None:
            if patches == PATCHES_MAX or self._is_one_instant():
                await self._staging.discard()
                raise ApiError(Failure(Kind.INCOMPLETE, wrong))
            patches += 1
            await self._patch()
        ordered = tuple(sorted(self._balances.values()))
        return Proved(ordered, self._known(self._last), self._observed_at, self._parts)

    def _difference(self) -> str | None:
        return difference(list(self._balances.values()), self._known(self._last), self._checksum)

    def _is_one_instant(self) -> bool:
        """One statement that began and ended the pull: nothing can have moved in between."""
        return self._action.reader is Reader.STATEMENT and self._parts == 1 and self._first is self._last

    async def _patch(self) -> None:
        """Read again what changed since the first control, then take the control anew."""
        since, after = self._known(self._first).office_now, None
        for _ in range(MOVED_PAGES_MAX):
            answer = await self._session.query(sql.moved(self._office, since, after))
            moved = wire.moved(answer, after)
            for row in moved:
                self._balances.pop(row.pat_num, None)
                if row.balance is not None:
                    self._balances[row.pat_num] = row.balance
            if len(moved) < self._office.page_rows:
                break
            after = moved[-1].pat_num
        else:
            await self._staging.discard()
            raise ApiError(Failure(Kind.INCOMPLETE, "more rows moved meanwhile than are worth patching"))
        # Families that returned pushed others over the end of the last page.
        await self._read_on(self._known(self._last).totals.guarantors)
        await self._control()

    async def _read_on(self, guarantors: int) -> None:
        """Pages from where the reading stands until there are so many guarantors, or no more."""
        while len(self._balances) < guarantors:
            answer = await self._session.query(sql.page(self._office, self._after))
            page = wire.page(answer, self._after, self._office.page_rows)
            if not page:
                return
            self._add(page)
            self._after = page[-1].pat_num
            await self._store(page)

    async def _control(self) -> None:
        await self._take(wire.control(await self._session.query(sql.control(self._office, self._action.since))))

    async def _take(self, control: Control) -> None:
        """A control is worth something only while aging stands still."""
        known = self._action.identity or (self._first or control).identity
        if is_other(known, control.identity):
            await self._staging.discard()
            raise ApiError(Failure(Kind.OTHER_DATABASE))
        moved = aging_moved(self._action.expected, control)
        if moved is not None:
            await self._staging.discard()
            raise ApiError(Failure(Kind.AGING_MOVED, moved))
        self._first = self._first or control
        self._last = control
        self._observed_at = self._now()

    def _add(self, balances: Sequence[Balance]) -> None:
        self._parts += 1
        self._balances.update(zip(map(PAT_NUM, balances), balances, strict=True))

    async def _store(self, balances: Sequence[Balance]) -> None:
        checkpoint = Checkpoint(
            self._started_at,
            self._known(self._first),
            self._after or 0,
            self._session.requests,
            self._staging.scope,
            (_spans(self._action.packing), _spans(self._packing)),
        )
        await self._staging.add(balances, checkpoint, rows=len(self._balances))

    @staticmethod
    def _known(value: T | None) -> T:
        assert value is not None, "a reading is judged only after its first control"
        return value


def _spans(packing: Packing) -> tuple[int, int]:
    return packing.lane_span, packing.lanes


def _all_after(balances: Sequence[Balance], after_pat_num: int) -> None:
    if balances and balances[0].pat_num <= after_pat_num:
        raise wire.MalformedError("rows are repeated: they lie before the end of the former statement")
