import tempfile
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AbstractContextManager, ExitStack
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, TypeVar

from anyio.from_thread import start_blocking_portal
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from oddaemon.core.model import (
    Balance,
    Checkpoint,
    Condition,
    ControlQueryResult,
    ControlTotals,
    OfficeSpec,
    Reader,
    Snapshot,
    Status,
)
from oddaemon.core.office.state import Intent, OfficeState
from oddaemon.core.snapshot.balance_rows import BalanceRows
from oddaemon.core.snapshot.diff import diff
from oddaemon.store import offices, open_pulls, snapshots
from oddaemon.store.database import Database
from oddaemon.store.sqlite.connection import SqliteDatabase
from tests.store.configured import register_offices

NOW = datetime(2026, 3, 2, 8, 30, tzinfo=UTC)
TOTALS = ControlTotals(*[0] * 9)
CONTROL = ControlQueryResult(
    totals=TOTALS,
    date_last_aging="2026-03-02",
    aging_begin="",
    office_now=NOW.replace(tzinfo=None),
    utc_now=NOW.replace(tzinfo=None),
)
IDS = ("elm-street", "harbor")

Rows = dict[int, Balance]
Result = TypeVar("Result")

OFFICE = st.sampled_from(IDS)
ROWS = st.dictionaries(st.integers(1, 9), st.tuples(*[st.integers(-2, 2)] * 8), max_size=9).map(
    lambda rows: {pat_num: Balance(pat_num, *rows[pat_num]) for pat_num in sorted(rows)}
)


class StoreAgainstDicts(RuleBasedStateMachine):
    """Whatever is done to the database, and however often it is opened, it says the same as a few dicts."""

    def __init__(self) -> None:
        super().__init__()
        self._stack = ExitStack()
        self._portal = self._stack.enter_context(start_blocking_portal())
        self._path = Path(self._stack.enter_context(tempfile.TemporaryDirectory())) / "oddaemon.db"
        self._opened: AbstractContextManager[Database] | None = None
        self._open()
        self.published: dict[str, list[tuple[int, Rows]]] = {office: [] for office in IDS}
        self.states: dict[str, OfficeState] = {}
        self.staged: dict[str, tuple[Checkpoint, Rows]] = {}

    @initialize()
    def enroll(self) -> None:
        self._call(register_offices, [OfficeSpec(office, office) for office in IDS])

    @rule(office=OFFICE, rows=ROWS, attempts=st.integers(0, 5))
    def publish(self, office: str, rows: Rows, attempts: int) -> None:
        before = self.published[office][-1][1] if self.published[office] else {}
        snapshot = Snapshot(
            aging_date=date(2026, 3, 2),
            observed_at=NOW,
            reader=Reader.PAGES,
            requests=1,
            totals=TOTALS._replace(guarantors=len(rows)),
            balances=rows.values(),
        )
        published = self._call(snapshots.publish, office, snapshot, _make_state(attempts), NOW)
        changes = diff(before, rows)
        assert published.new == len(changes.new)
        assert published.changed == len(changes.changed)
        assert published.cleared == len(changes.cleared)
        assert all(published.id > earlier for past in self.published.values() for earlier, _ in past)
        self.published[office].append((published.id, rows))
        self.states[office] = _make_state(attempts)
        self.staged.pop(office, None)

    @rule(office=OFFICE, attempts=st.integers(0, 5))
    def save_state(self, office: str, attempts: int) -> None:
        self._call(offices.save_state, office, _make_state(attempts))
        self.states[office] = _make_state(attempts)

    @rule(office=OFFICE)
    def begin_pull(self, office: str) -> None:
        self._call(open_pulls.begin, office, (), Checkpoint(NOW, CONTROL, 0, 1))
        self.staged[office] = (Checkpoint(NOW, CONTROL, 0, 1), {})

    @rule(office=OFFICE, page=ROWS)
    def add_page(self, office: str, page: Rows) -> None:
        earlier, rows = self.staged.get(office, (Checkpoint(NOW, CONTROL, 0, 1), {}))
        checkpoint = Checkpoint(NOW, CONTROL, max(page, default=0), earlier.requests + 1)
        self._call(open_pulls.add_page, office, tuple(page.values()), checkpoint)
        self.staged[office] = (checkpoint, dict(sorted((rows | page).items())))

    @rule(office=OFFICE)
    def discard_pull(self, office: str) -> None:
        self._call(open_pulls.discard, office)
        self.staged.pop(office, None)

    @rule()
    def restart(self) -> None:
        self._close()
        self._open()

    @invariant()
    def every_state_ever_published_is_there(self) -> None:
        for office, past in self.published.items():
            for snapshot_id, rows in past:
                assert self._call(snapshots.load_balances, office, snapshot_id) == list(rows.values())
            current = list(past[-1][1].values()) if past else []
            assert self._call(snapshots.load_balances, office) == current
            history = self._call(snapshots.list_latest, office, 1000)
            assert [row.id for row in history] == [snapshot_id for snapshot_id, _ in reversed(past)]

    @invariant()
    def every_open_pull_is_there(self) -> None:
        for office in IDS:
            pull = self._call(open_pulls.load, office)
            expected = self.staged.get(office)
            if expected is None:
                assert pull is None
            else:
                assert pull == open_pulls.OpenPull(expected[0], BalanceRows.of(expected[1].values()))

    @invariant()
    def every_office_state_is_as_saved(self) -> None:
        for row in self._call(offices.list_all):
            assert row.state == self.states.get(row.id)
            latest = self.published[row.id][-1][0] if self.published[row.id] else None
            assert (row.snapshot.id if row.snapshot else None) == latest

    def teardown(self) -> None:
        self._close()
        self._stack.close()

    def _call(self, function: Callable[..., Coroutine[Any, Any, Result]], *arguments: object) -> Result:
        result: Result = self._portal.call(function, self._database, *arguments)
        return result

    def _open(self) -> None:
        self._opened = self._portal.wrap_async_context_manager(self._connect())
        self._database = self._opened.__enter__()

    def _connect(self) -> AbstractAsyncContextManager[Database]:
        return SqliteDatabase.open(str(self._path))

    def _close(self) -> None:
        assert self._opened is not None
        self._opened.__exit__(None, None, None)


def _make_state(attempts: int) -> OfficeState:
    return OfficeState(Intent.PROBE, Status(Condition.FRESH, NOW, "All is well."), NOW, attempts=attempts)


TestStoreAgainstDicts = StoreAgainstDicts.TestCase
TestStoreAgainstDicts.settings = settings(max_examples=15, stateful_step_count=15, deadline=None)
