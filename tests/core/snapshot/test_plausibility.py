"""What is believed of a snapshot, and which database it is taken to come from."""

from dataclasses import replace
from datetime import date, datetime
from zlib import crc32

import pytest

from oddaemon.core.model import DatabaseIdentity, Plausibility, SnapshotSummary
from oddaemon.core.snapshot.plausibility import (
    find_implausibility,
    identify_by_title,
    is_confirmed,
    is_other_database,
    merge_identity,
    summarize_snapshot,
)
from tests.core.builders import make_balance, make_control, make_instant, make_snapshot
from tests.golden import GoldenTexts

MONDAY = SnapshotSummary(date(2026, 5, 4), datetime.fromisoformat("2026-05-04 02:10"), 200, 900_000, 800_000, 77)
TUESDAY = replace(MONDAY, aging_date=date(2026, 5, 5), checksum=78)
LIMITS = Plausibility()
MANY = tuple(make_balance(pat_num) for pat_num in range(1, 41))


# --- one snapshot against the last ------------------------------------------------------------------------------------


def change_summary(**fields: int) -> SnapshotSummary:
    return replace(TUESDAY, **fields)  # type: ignore[arg-type]  # fields by name


@pytest.mark.parametrize(
    ("new", "text"),
    [
        (change_summary(guarantors=0, aged=0, bal_total=0), (
            "no guarantor has a balance, but 200 "
            "guarantors had one on"
        )),
        (change_summary(aged=0, bal_total=0), "every guarantor's balance is zero, but 200"),
        (change_summary(bal_total=1_260_000), "changed by 51% since 2026-05-04"),
        (change_summary(aged=440_000), "changed by 51%"),
        (change_summary(aged=10**9), "changed by 9999%"),
    ],
)  # fmt: skip
def test_what_is_hard_to_believe_is_said_without_an_amount(new: SnapshotSummary, text: str) -> None:
    why = find_implausibility(MONDAY, new, 0, LIMITS)
    assert why is not None
    assert text in why
    assert "0000" not in why


@pytest.mark.parametrize(
    "new",
    [
        TUESDAY,
        change_summary(bal_total=1_240_000),
        change_summary(aged=460_000, bal_total=360_000),
        change_summary(aged=0, bal_total=460_000, guarantors=100),
    ],
)
def test_an_ordinary_day_is_believed(new: SnapshotSummary) -> None:
    believed = find_implausibility(MONDAY, new, 190, Plausibility(max_change=0.5 if new.aged else 1.0))
    assert believed is None


def test_an_office_not_read_for_days_may_have_changed_as_much_as_in_that_many_days() -> None:
    changed = change_summary(aged=1_700_000, bal_total=1_700_000)
    assert find_implausibility(MONDAY, changed, 0, LIMITS) is not None
    assert find_implausibility(MONDAY, replace(changed, aging_date=date(2026, 5, 6)), 0, LIMITS) is None
    assert find_implausibility(MONDAY, replace(changed, aging_date=date(2026, 5, 4)), 0, LIMITS) is not None


def test_of_a_small_office_only_sudden_emptiness_is_doubted() -> None:
    small = replace(MONDAY, guarantors=6)
    assert find_implausibility(small, change_summary(guarantors=7, aged=5_000_000), 0, LIMITS) is None
    assert find_implausibility(small, change_summary(guarantors=0, aged=0, bal_total=0), 0, LIMITS) is not None
    assert (
        find_implausibility(replace(small, guarantors=4), change_summary(guarantors=0, aged=0, bal_total=0), 0, LIMITS)
        is None
    )


def test_an_office_that_owed_nothing_may_go_on_owing_nothing() -> None:
    nothing = replace(MONDAY, aged=0, bal_total=0)
    assert find_implausibility(nothing, change_summary(aged=0, bal_total=0), 0, LIMITS) is None
    assert find_implausibility(nothing, TUESDAY, 0, LIMITS) is not None


def test_numbers_that_stand_still_although_rows_were_written_are_yesterdays(golden: GoldenTexts) -> None:
    still = replace(TUESDAY, checksum=77)
    why = find_implausibility(MONDAY, still, 10, LIMITS)
    golden.check(why)
    assert find_implausibility(MONDAY, still, 9, LIMITS) is None
    assert find_implausibility(MONDAY, TUESDAY, 200, LIMITS) is None
    assert find_implausibility(MONDAY, replace(still, aging_date=MONDAY.aging_date), 10, LIMITS) is None


def test_a_second_reading_repeats_the_first_even_if_a_few_paid_meanwhile() -> None:
    empty = change_summary(guarantors=0, aged=0, bal_total=0)
    assert is_confirmed(empty, empty, LIMITS)
    assert not is_confirmed(empty, TUESDAY, LIMITS)
    assert is_confirmed(change_summary(bal_total=2_000_000), change_summary(bal_total=1_900_000), LIMITS)


# --- which database ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("known", "observed", "other"),
    [
        ((1, 2, 3), (1, 2, 3), False),
        ((1, 2, 3), (9, 2, 3), False),
        ((1, 2, 3), (1, 9, 3), False),
        ((1, 2, 3), (1, 2, 9), False),
        ((1, 2, 3), (1, 9, 9), True),
        ((1, 2, 3), (9, 9, 9), True),
        ((1, 2, 0), (9, 2, 9), False),
        ((1, 2, 0), (9, 9, 9), True),
        ((1, 0, 0), (9, 0, 0), True),
        ((1, 0, 0), (1, 2, 3), False),
        ((0, 0, 0), (1, 2, 3), False),
        ((1, 2, 3), (0, 0, 0), False),
    ],
)
def test_a_practice_may_change_one_thing_about_itself(
    known: tuple[int, int, int], observed: tuple[int, int, int], other: bool
) -> None:
    assert is_other_database(DatabaseIdentity(*known), DatabaseIdentity(*observed)) is other
    assert is_other_database(DatabaseIdentity(*observed), DatabaseIdentity(*known)) is other


def test_what_a_database_does_not_say_any_more_stays_known() -> None:
    assert merge_identity(None, DatabaseIdentity(1, 0, 3)) == (1, 0, 3)
    assert merge_identity(DatabaseIdentity(1, 2, 3), DatabaseIdentity(9, 0, 3)) == (9, 2, 3)


def test_a_title_identifies_a_database_as_its_own_control_does() -> None:
    assert identify_by_title(" Mesa Dental ") == (crc32(b"Mesa Dental"), 0, 0)
    assert identify_by_title("") is identify_by_title("  ") is identify_by_title("Clínica Mesa") is None


def test_an_outline_is_taken_from_the_control_that_proved_the_snapshot() -> None:
    read = make_snapshot(date(2026, 5, 4), MANY)
    outline = summarize_snapshot(read.aging_date, make_control(read, make_instant("2026-05-04 20:00")))
    assert (outline.guarantors, outline.aged, outline.bal_total) == (40, 40 * 12_345, 40 * 12_345)
    assert (outline.checksum, outline.office_now.hour) == (read.totals.checksum, 20)
