"""Whatever an office's answers are damaged by: never a wrong number, never a lost one, and the trouble has a name.

Only what a whole night makes of it is shown here; each single form is refused in `tests/opendental`.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from oddaemon.core.model import Condition, Owner, Reader
from oddaemon.simulator.faults.faults import Altered, Rows
from oddaemon.simulator.faults.row_corruption import ALTERATIONS
from oddaemon.simulator.model.spec import PracticeSpec
from tests.engine.night import after, night, office_settings, planted

SMILE = PracticeSpec("smile", seed=1, guarantors=60, settled=10, pat_nums="sparse")
PACKED, PAGED = replace(SMILE, office_id="packed"), replace(SMILE, office_id="paged", guarantors=24)
"""Packed into two rows, and read in three pages."""
OFFICES = (
    office_settings("packed", reader=Reader.STATEMENT),
    office_settings("paged", reader=Reader.PAGES, page_rows=10),
)
BOTH = frozenset({"packed", "paged"})
TROUBLED = (Condition.UNREACHABLE, Condition.SUSPECT)

Alter = Callable[[Rows], Rows]


def _set(column: str, value: object) -> Alter:
    """Every row's `column`, where it has one."""
    return lambda rows: [{**row, column: value} if column in row else row for row in rows]


def _without(column: str) -> Alter:
    return lambda rows: [{name: value for name, value in row.items() if name != column} for row in rows]


def _in_rows(change: Callable[[list[str]], Any]) -> Alter:
    """Change the texts of balances, wherever they travel: in a page's column or in a lane."""

    def alter(rows: Rows) -> Rows:
        return [{name: _changed(name, value) for name, value in row.items()} for row in rows]

    def _changed(name: str, value: Any) -> object:
        is_text = isinstance(value, str) and (name == "Balance" or (name[0] == "L" and name[1:].isdigit()))
        if not is_text:
            return value
        changed = change(value.split("|"))
        return "|".join(changed) if isinstance(changed, list) and isinstance(changed[0], str) else changed

    return alter


def _plus(cents: int) -> Callable[[str], str]:
    def moved(text: str) -> str:
        head, _, last = text.rpartition(",")
        return f"{head},{int(last) + cents}"

    return moved


def _cancelling(rows: Rows) -> Rows:
    """A cent more in one row and a cent less in another: every sum agrees."""
    count = 0

    def alternate(texts: list[str]) -> list[str]:
        nonlocal count
        out = []
        for text in texts:
            count += 1
            out.append(_plus(1)(text) if count == 1 else _plus(-1)(text) if count == 2 else text)
        return out

    return _in_rows(alternate)(rows)


def _doubled(rows: Rows) -> Rows:
    return [copy for row in rows for copy in (row, row)]


MORE: dict[str, Alter] = {
    "cancelling_errors": _cancelling,
    "cents_as_decimals": _in_rows(lambda texts: [text + ".0" for text in texts]),
    "ten_numbers_a_row": _in_rows(lambda texts: [text + ",1" for text in texts]),
    "numbers_beyond_64_bits": _in_rows(lambda texts: [f"{text}{'0' * 30}" for text in texts]),
    "numbers_without_end": _in_rows(lambda texts: [f"{text}{'1' * 5000}" for text in texts]),
    "another_guarantor": _in_rows(lambda texts: [f"9{text}" for text in texts]),
    "another_clinic": _in_rows(lambda texts: [text.replace(",0,", ",7,", 1) for text in texts]),
    "rows_doubled": _doubled,
    "extra_rows": lambda rows: [*rows, *({**row, "Balance": "999999999,0,1,1,1,1,1,1,1"} for row in rows[-1:])] * 2,
    "balances_null": _in_rows(lambda _: None),
    "balances_numbers": _in_rows(lambda _: 5),
    "nested": lambda rows: [{**row, "Guarantors": {"value": 1}} for row in rows],
    "true": lambda rows: [{**row, "Guarantors": True} for row in rows],
    "count_missing": _without("Guarantors"),
    "count_text": _set("Guarantors", "many"),
    "count_negative": _set("Guarantors", -5),
    "count_fraction": _set("Guarantors", 260.5),
    "count_one_less": _set("Guarantors", 259),
    "count_zero": _set("Guarantors", 0),
    "count_huge": _set("Guarantors", 10**300),
    "sum_missing": _without("SumBalTotal"),
    "checksum_negative": _set("Checksum", -1),
    "checksum_off": _set("Checksum", 12345),
    "date_missing": _without("DateLastAging"),
    "date_number": _set("DateLastAging", 20260303),
    "clock_missing": _without("OfficeNow"),
    "clock_first_year": _set("OfficeNow", "0001-01-01T00:00:00"),
    "clock_last_year": _set("UtcNow", "9999-12-31T23:59:59"),
}
EITHER = {**ALTERATIONS, **MORE}

HARMLESS = {("cut_lanes", "packed"), ("cut_lanes", "paged"), ("drop_first_row", "paged")}


@pytest.mark.parametrize("name", EITHER)
async def test_a_damaged_answer_is_named_and_never_published(tmp_path: Path, name: str) -> None:
    """Damaged from before the night's run until a while after it; what was published before stays as it is."""
    damage = planted(Altered(name, EITHER[name]), after(minutes=55), after(minutes=75), office_ids=BOTH)
    async with night(tmp_path, [PACKED, PAGED], OFFICES, faults=[damage], rows_max={"paged": 10}) as world:
        await world.until_time(after(minutes=50))
        former = {office_id: await world.balances(office_id) for office_id in BOTH}
        await world.until_time(after(minutes=74))
        for office_id in BOTH:
            if (name, office_id) in HARMLESS:
                continue
            standing, named = world.standing(office_id), set(world.failures(office_id)) - {"aging_changed"}
            if named == {"column_truncated"}:
                assert world.explains(Condition.PULLING, None, "cut a packed row", office_id=office_id)
            else:
                assert named <= {"malformed", "incomplete", "column_truncated"}
                assert standing.condition in TROUBLED, standing
                assert world.explains(standing.condition, Owner.VENDOR, office_id=office_id)
            assert await world.balances(office_id) == former[office_id]
        for office_id in BOTH:
            await world.until_published(2, office_id, within=timedelta(minutes=40))
            assert world.explains(Condition.FRESH, None, "2026-03-03", office_id=office_id)
            assert await world.is_true(office_id)


@pytest.mark.parametrize(
    ("column", "value"),
    [("DateLastAging", None), ("DateLastAging", "2026-01-01"), ("AgingBeginDateTime", "soon")],
)
async def test_an_office_that_contradicts_itself_about_its_aging_is_not_published(
    tmp_path: Path, column: str, value: object
) -> None:
    damage = planted(Altered("contradicts", _set(column, value)), after(minutes=55), after(minutes=74))
    async with night(tmp_path, [SMILE], faults=[damage]) as world:
        await world.until_time(after(minutes=74))
        assert world.explains(Condition.AGING, None, "Aging ran while the balances were read")
        assert len(world.published()) == 1
        await world.until_published(2, within=timedelta(minutes=40))
        assert world.explains(Condition.FRESH, None, "2026-03-03")
        assert await world.is_true()


async def test_two_errors_that_cancel_each_other_are_told_as_that(tmp_path: Path) -> None:
    damage = planted(Altered("cancelling", _cancelling), after(minutes=55), after(hours=2))
    async with night(tmp_path, [SMILE], faults=[damage]) as world:
        await world.until_is(Condition.SUSPECT)
        assert world.explains(Condition.SUSPECT, Owner.VENDOR, "two errors that cancel each other")
        assert len(world.published()) == 1
        assert world.failures().count("incomplete") == 4


async def test_an_office_that_is_read_either_way_finds_its_way_back(tmp_path: Path) -> None:
    damage = planted(Altered("no_column", _without("Checksum")), after(minutes=55), after(hours=2))
    async with night(tmp_path, [SMILE], faults=[damage]) as world:
        await world.until_time(after(hours=1.9))
        assert world.explains(Condition.UNREACHABLE, Owner.VENDOR, "column Checksum is missing")
        await world.until_published(2)
        assert world.explains(Condition.FRESH, None, "2026-03-03")
        assert await world.is_true()


async def test_an_answer_larger_than_allowed_is_not_read_to_its_end(tmp_path: Path) -> None:
    async with night(tmp_path, [SMILE], running=False) as world:
        api = world.settings.api.model_copy(update={"max_response_bytes": 4_500})
        await world.start(replace(world.settings, api=api))
        await world.until_published(1)
        assert world.failures() == ["oversized"]
        assert world.published()[0]["reader"] == "pages"
        assert await world.is_true()
