"""Whatever an office's answers are damaged by: never a wrong number, never a lost one, and the trouble has a name.

Only what a whole night makes of it is shown here; each single form is refused in `tests/opendental`.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from oddaemon.core.failures.failure import FailureKind
from oddaemon.core.model import Condition, Owner, Reader
from oddaemon.simulator.faults.faults import Altered, Rows
from oddaemon.simulator.faults.row_corruption import ALTERATIONS
from oddaemon.simulator.model.spec import PracticeSpec
from tests.engine.night import make_office_settings, night, schedule_fault, time_after_start
from tests.golden import GoldenTexts

SMILE = PracticeSpec("smile", seed=1, guarantors=60, settled=10, pat_nums="sparse")
PACKED, PAGED = replace(SMILE, office_id="packed"), replace(SMILE, office_id="paged", guarantors=24)
"""Packed into two rows, and read in three pages."""
OFFICES = (
    make_office_settings("packed", reader=Reader.STATEMENT),
    make_office_settings("paged", reader=Reader.PAGES, page_rows=10),
)
BOTH = frozenset({"packed", "paged"})
FAILED_CONDITIONS = (Condition.UNREACHABLE, Condition.SUSPECT)

Alteration = Callable[[Rows], Rows]


def _set_column(column: str, value: object) -> Alteration:
    """Every row's `column`, where it has one."""
    return lambda rows: [{**row, column: value} if column in row else row for row in rows]


def _drop_column(column: str) -> Alteration:
    return lambda rows: [{name: value for name, value in row.items() if name != column} for row in rows]


def _alter_row_texts(change: Callable[[list[str]], Any]) -> Alteration:
    """Change the texts of balances, wherever they travel: in a page's column or in a lane."""

    def alter(rows: Rows) -> Rows:
        return [{name: change_value(name, value) for name, value in row.items()} for row in rows]

    def change_value(name: str, value: Any) -> object:
        is_text = isinstance(value, str) and (name == "Balance" or (name[0] == "L" and name[1:].isdigit()))
        if not is_text:
            return value
        changed = change(value.split("|"))
        return "|".join(changed) if isinstance(changed, list) and isinstance(changed[0], str) else changed

    return alter


def _add_cents(cents: int) -> Callable[[str], str]:
    def add(text: str) -> str:
        head, _, last = text.rpartition(",")
        return f"{head},{int(last) + cents}"

    return add


def _make_cancelling_errors(rows: Rows) -> Rows:
    """A cent more in one row and a cent less in another: every sum agrees."""
    count = 0

    def alternate(texts: list[str]) -> list[str]:
        nonlocal count
        out = []
        for text in texts:
            count += 1
            out.append(_add_cents(1)(text) if count == 1 else _add_cents(-1)(text) if count == 2 else text)
        return out

    return _alter_row_texts(alternate)(rows)


def _double_rows(rows: Rows) -> Rows:
    return [copy for row in rows for copy in (row, row)]


EXTRA_ALTERATIONS: dict[str, Alteration] = {
    "cancelling_errors": _make_cancelling_errors,
    "cents_as_decimals": _alter_row_texts(lambda texts: [text + ".0" for text in texts]),
    "ten_numbers_a_row": _alter_row_texts(lambda texts: [text + ",1" for text in texts]),
    "numbers_beyond_64_bits": _alter_row_texts(lambda texts: [f"{text}{'0' * 30}" for text in texts]),
    "numbers_without_end": _alter_row_texts(lambda texts: [f"{text}{'1' * 5000}" for text in texts]),
    "another_guarantor": _alter_row_texts(lambda texts: [f"9{text}" for text in texts]),
    "another_clinic": _alter_row_texts(lambda texts: [text.replace(",0,", ",7,", 1) for text in texts]),
    "rows_doubled": _double_rows,
    "extra_rows": lambda rows: [*rows, *({**row, "Balance": "999999999,0,1,1,1,1,1,1,1"} for row in rows[-1:])] * 2,
    "balances_null": _alter_row_texts(lambda _: None),
    "balances_numbers": _alter_row_texts(lambda _: 5),
    "nested": lambda rows: [{**row, "Guarantors": {"value": 1}} for row in rows],
    "true": lambda rows: [{**row, "Guarantors": True} for row in rows],
    "count_missing": _drop_column("Guarantors"),
    "count_text": _set_column("Guarantors", "many"),
    "count_negative": _set_column("Guarantors", -5),
    "count_fraction": _set_column("Guarantors", 260.5),
    "count_one_less": _set_column("Guarantors", 259),
    "count_zero": _set_column("Guarantors", 0),
    "count_huge": _set_column("Guarantors", 10**300),
    "sum_missing": _drop_column("SumBalTotal"),
    "checksum_negative": _set_column("Checksum", -1),
    "checksum_off": _set_column("Checksum", 12345),
    "date_missing": _drop_column("DateLastAging"),
    "date_number": _set_column("DateLastAging", 20260303),
    "clock_missing": _drop_column("OfficeNow"),
    "clock_first_year": _set_column("OfficeNow", "0001-01-01T00:00:00"),
    "clock_last_year": _set_column("UtcNow", "9999-12-31T23:59:59"),
}
ALL_ALTERATIONS = {**ALTERATIONS, **EXTRA_ALTERATIONS}

HARMLESS = {("cut_lanes", "packed"), ("cut_lanes", "paged"), ("drop_first_row", "paged")}


@pytest.mark.parametrize("name", ALL_ALTERATIONS)
async def test_a_corrupted_response_is_named_and_never_published(tmp_path: Path, name: str) -> None:
    """Damaged from before the night's run until a while after it; what was published before stays as it is."""
    damage = schedule_fault(
        Altered(name, ALL_ALTERATIONS[name]),
        time_after_start(minutes=55),
        time_after_start(minutes=75),
        office_ids=BOTH,
    )
    async with night(tmp_path, [PACKED, PAGED], OFFICES, faults=[damage], rows_max={"paged": 10}) as world:
        await world.sleep_until(time_after_start(minutes=50))
        previous = {office_id: await world.read_balances(office_id) for office_id in BOTH}
        await world.sleep_until(time_after_start(minutes=74))
        for office_id in BOTH:
            if (name, office_id) in HARMLESS:
                continue
            status, named = world.get_status(office_id), set(world.list_failure_kinds(office_id)) - {"aging_changed"}
            if named == {"column_truncated"}:
                assert world.assert_explained(
                    Condition.PULLING, None, FailureKind.COLUMN_TRUNCATED, office_id=office_id
                )
            else:
                assert named <= {"malformed", "incomplete", "column_truncated"}
                assert status.condition in FAILED_CONDITIONS, status
                assert world.assert_explained(status.condition, Owner.VENDOR, office_id=office_id)
            assert await world.read_balances(office_id) == previous[office_id]
        for office_id in BOTH:
            await world.wait_for_snapshots(2, office_id, within=timedelta(minutes=40))
            assert world.assert_explained(Condition.FRESH, None, "2026-03-03", office_id=office_id)
            assert await world.is_true(office_id)


@pytest.mark.parametrize(
    ("column", "value"),
    [("DateLastAging", None), ("DateLastAging", "2026-01-01")],
)
async def test_an_office_that_contradicts_itself_about_its_aging_is_not_published(
    tmp_path: Path, column: str, value: object
) -> None:
    damage = schedule_fault(
        Altered("contradicts", _set_column(column, value)), time_after_start(minutes=55), time_after_start(minutes=74)
    )
    async with night(tmp_path, [SMILE], faults=[damage]) as world:
        await world.sleep_until(time_after_start(minutes=74))
        assert world.assert_explained(Condition.AGING, None, FailureKind.AGING_CHANGED)
        assert len(world.list_published()) == 1
        await world.wait_for_snapshots(2, within=timedelta(minutes=40))
        assert world.assert_explained(Condition.FRESH, None, "2026-03-03")
        assert await world.is_true()


async def test_a_lock_that_is_no_time_is_named_and_nothing_is_published(tmp_path: Path) -> None:
    damage = schedule_fault(
        Altered("no time", _set_column("AgingBeginDateTime", "soon")),
        time_after_start(minutes=55),
        time_after_start(minutes=74),
    )
    async with night(tmp_path, [SMILE], faults=[damage]) as world:
        await world.sleep_until(time_after_start(minutes=74))
        assert world.assert_explained(Condition.UNREACHABLE, Owner.VENDOR, "AgingBeginDateTime")
        assert len(world.list_published()) == 1
        await world.wait_for_snapshots(2, within=timedelta(minutes=40))
        assert await world.is_true()


async def test_two_errors_that_cancel_each_other_are_named(tmp_path: Path, golden: GoldenTexts) -> None:
    damage = schedule_fault(
        Altered("cancelling", _make_cancelling_errors), time_after_start(minutes=55), time_after_start(hours=2)
    )
    async with night(tmp_path, [SMILE], faults=[damage]) as world:
        await world.wait_for_condition(Condition.SUSPECT)
        assert world.assert_explained(Condition.SUSPECT, Owner.VENDOR)
        golden.check(world.get_status().reason)
        assert len(world.list_published()) == 1
        assert world.list_failure_kinds().count("incomplete") == 4


async def test_an_office_that_is_read_either_way_finds_its_way_back(tmp_path: Path, golden: GoldenTexts) -> None:
    damage = schedule_fault(
        Altered("no_column", _drop_column("Checksum")), time_after_start(minutes=55), time_after_start(hours=2)
    )
    async with night(tmp_path, [SMILE], faults=[damage]) as world:
        await world.sleep_until(time_after_start(hours=1.9))
        assert world.assert_explained(Condition.UNREACHABLE, Owner.VENDOR)
        golden.check(world.get_status().reason)
        await world.wait_for_snapshots(2)
        assert world.assert_explained(Condition.FRESH, None, "2026-03-03")
        assert await world.is_true()


async def test_an_answer_larger_than_allowed_is_not_read_to_its_end(tmp_path: Path) -> None:
    async with night(tmp_path, [SMILE], running=False) as world:
        api = world.settings.api.model_copy(update={"max_response_bytes": 4_500})
        await world.start(replace(world.settings, api=api))
        await world.wait_for_snapshots(1)
        assert world.list_failure_kinds() == ["oversized"]
        assert world.list_published()[0]["reader"] == "pages"
        assert await world.is_true()


@pytest.mark.parametrize("office_id", sorted(BOTH))
async def test_an_office_that_claims_2_to_the_40_guarantors_is_not_read_for_ever(
    tmp_path: Path, office_id: str
) -> None:
    claim = schedule_fault(Altered("claim", _set_column("Guarantors", 2**40)), office_ids=BOTH)
    async with night(tmp_path, [PACKED, PAGED], OFFICES, faults=[claim], rows_max={"paged": 10}) as world:
        await world.wait_for_condition(Condition.BLOCKED, office_id)
        assert world.assert_explained(Condition.BLOCKED, Owner.US, FailureKind.TOO_MANY_GUARANTORS, office_id=office_id)
