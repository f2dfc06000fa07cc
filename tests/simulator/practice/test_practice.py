"""What a practice is at the start, what moves it by day, and whether its oracle and its database agree."""

from collections import Counter
from datetime import timedelta
from itertools import pairwise
from typing import Any

import anyio
import pytest

from oddaemon.simulator.model.balances import TrueBalance
from oddaemon.simulator.practice.preferences import OTHER_PREFERENCES
from tests.simulator.sample_practice import TEN_TO_TWO, VIRTUAL_BACKEND, make_practice, read_balances, read_preference

PRACTICE_SPECS: list[dict[str, Any]] = [
    {},
    {"pat_nums": "sparse"},
    {"pat_nums": "random"},
    {"three_decimals": True},
    {"clinics": 5, "guarantors": 200},
    {"guarantors": 0},
    {"guarantors": 0, "settled": 0},
]


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return VIRTUAL_BACKEND


@pytest.mark.parametrize("overrides", PRACTICE_SPECS, ids=str)
def test_oracle_and_database_agree_to_the_cent(overrides: dict[str, Any]) -> None:
    office = make_practice(**overrides)
    for _ in range(2):
        assert read_balances(office) == office.balances.get_true_balances("all")
        assert read_balances(office, ">") == office.balances.get_true_balances("debts")
        assert read_balances(office, clinics=[0, 2]) == office.balances.get_true_balances("all", [0, 2])
        office.post_activity(8)


def test_one_seed_is_one_world() -> None:
    assert make_practice(seed=1).balances.get_true_balances() == make_practice(seed=1).balances.get_true_balances()
    assert make_practice(seed=1).balances.get_true_balances() != make_practice(seed=2).balances.get_true_balances()


def test_settled_families_exist_but_are_not_shown() -> None:
    office = make_practice(guarantors=60, settled=20)
    assert len(office.balances.get_true_balances()) == 60
    assert office.run_short_query("SELECT COUNT(*) AS n FROM patient WHERE PatNum=Guarantor") == [{"n": 80}]


def test_credits_are_shown_to_all_and_not_to_debts() -> None:
    office = make_practice(guarantors=400)
    credits_only = set(office.balances.get_true_balances("all")) - set(office.balances.get_true_balances("debts"))
    assert credits_only
    assert all(balance.bal_total < 0 for balance in credits_only)


def test_buckets_are_never_negative_and_need_not_add_up_to_the_total() -> None:
    truth = make_practice(guarantors=400).balances.get_true_balances()
    buckets = [(b.bal_0_30, b.bal_31_60, b.bal_61_90, b.bal_over_90) for b in truth]
    assert min(map(min, buckets)) == 0
    assert any(sum(four) != balance.bal_total >= 0 for four, balance in zip(buckets, truth, strict=True))


def test_dense_pat_nums_have_no_gap_and_dependents_stand_between_guarantors() -> None:
    rows = make_practice().run_short_query("SELECT PatNum, Guarantor FROM patient ORDER BY PatNum")
    assert [row["PatNum"] for row in rows] == list(range(1, len(rows) + 1))
    assert any(row["PatNum"] != row["Guarantor"] for row in rows[:-10])


def test_sparse_and_random_pat_nums_have_gaps() -> None:
    sparse = [balance.pat_num for balance in make_practice(pat_nums="sparse").balances.get_true_balances()]
    random = [balance.pat_num for balance in make_practice(pat_nums="random").balances.get_true_balances()]
    assert sparse[-1] < 20_000
    assert max(later - earlier for earlier, later in pairwise(sparse)) > 10
    assert random[-1] > 2**60


def test_money_has_thousandths_only_where_old_versions_stored_them() -> None:
    count = "SELECT SUM(CASE WHEN ABS(BalTotal*100 - ROUND(BalTotal*100)) > 0.01 THEN 1 ELSE 0 END) AS n FROM patient"
    assert make_practice().run_short_query(count) == [{"n": 0}]
    assert make_practice(three_decimals=True).run_short_query(count) != [{"n": 0}]


def test_a_practice_without_families_answers_nothing_and_cannot_be_moved() -> None:
    office = make_practice(guarantors=0, settled=0)
    office.post_activity(4)
    assert office.balances.get_true_balances() == []


def test_clinics_are_listed_without_hidden_ones_and_without_zero() -> None:
    office = make_practice(clinics=4, guarantors=300)
    listed = [clinic["ClinicNum"] for clinic in office.list_clinics()]
    assert listed == [1, 2, 3]
    assert {balance.clinic_num for balance in office.balances.get_true_balances()} == {0, 1, 2, 3, 4}


def test_no_clinics_means_an_empty_list_and_clinic_zero_everywhere() -> None:
    office = make_practice()
    assert office.list_clinics() == []
    assert {balance.clinic_num for balance in office.balances.get_true_balances()} == {0}


def test_preferences_are_rows_and_an_unknown_name_has_none() -> None:
    office = make_practice()
    (row,) = office.list_preferences("datelastaging")
    assert row == {"PrefNum": row["PrefNum"], "PrefName": "DateLastAging", "ValueString": "2026-11-21"}
    assert office.list_preferences("NoSuchThing") == []
    assert {row["PrefName"] for row in office.list_preferences(None)} >= {"ProgramVersion", "AgingServiceTimeDue"}


def test_api_and_database_know_the_same_preferences() -> None:
    office = make_practice()
    office.set_preference("AgingServiceTimeDue", "2000-01-01 03:00:00")
    office.set_preference("Brand New", "1")
    in_database = office.run_short_query("SELECT * FROM preference ORDER BY PrefNum")
    assert in_database == office.list_preferences(None)[OTHER_PREFERENCES:]
    assert read_preference(office, "AgingServiceTimeDue") == "2000-01-01 03:00:00"


def test_an_office_that_was_never_aged_has_only_own_balances() -> None:
    office = make_practice(last_aging="never")
    assert read_preference(office, "DateLastAging") == ""
    assert {balance[3:] for balance in office.balances.get_true_balances()} == {(0,) * 6}


def test_activity_takes_turns_and_one_family_falls_to_zero_and_one_comes_back() -> None:
    office = make_practice()
    counts = Counter[str]()
    for _ in range(4):
        before = {balance.pat_num: balance for balance in office.balances.get_true_balances()}
        office.post_activity()
        after = {balance.pat_num: balance for balance in office.balances.get_true_balances()}
        counts["cleared"] += len(before.keys() - after.keys())
        counts["new"] += len(after.keys() - before.keys())
        counts["changed"] += sum(before[number] != after[number] for number in before.keys() & after.keys())
    assert counts == {"cleared": 1, "new": 1, "changed": 2}


async def test_activity_stamps_its_rows_and_moves_no_preference() -> None:
    office = make_practice()
    await anyio.sleep(5)
    before, preferences = set(office.balances.get_true_balances()), office.list_preferences(None)
    office.post_activity(3)
    touched = office.run_short_query("SELECT PatNum FROM patient WHERE DateTStamp >= '2026-11-22 01:50:05'")
    changed = {balance.pat_num for balance in before ^ set(office.balances.get_true_balances())}
    assert {row["PatNum"] for row in touched} == changed
    assert office.list_preferences(None) == preferences


async def test_a_living_practice_has_activity_of_its_own() -> None:
    office = make_practice(activity_per_hour=60, service_time_due=None)
    before = office.balances.get_true_balances()
    async with anyio.create_task_group() as group:
        group.start_soon(office.run)
        await anyio.sleep(3600)
        group.cancel_scope.cancel()
    assert 20 < len(set(before) ^ set(office.balances.get_true_balances())) < 200
    assert read_balances(office) == office.balances.get_true_balances()


async def test_a_past_state_was_true_between_the_writes_that_made_and_unmade_it() -> None:
    office = make_practice()
    await anyio.sleep(10)
    office.post_activity()
    middle = office.balances.get_true_balances()
    await anyio.sleep(10)
    office.post_activity()
    made, unmade = (TEN_TO_TWO + timedelta(seconds=seconds) for seconds in (10, 20))
    assert office.balances.find_true_interval(middle) == (made, unmade)
    assert office.balances.find_true_interval(list(reversed(middle))) == (made, unmade)
    assert office.balances.find_true_interval(middle, since=unmade + timedelta(seconds=1)) is None


async def test_the_present_is_true_until_now_and_the_first_state_since_the_beginning() -> None:
    office = make_practice()
    first = office.balances.get_true_balances("debts")
    await anyio.sleep(10)
    assert office.balances.find_true_interval(first, "debts") == (TEN_TO_TWO, TEN_TO_TWO + timedelta(seconds=10))
    office.post_activity()
    await anyio.sleep(10)
    assert office.balances.find_true_interval(office.balances.get_true_balances()) == tuple(
        TEN_TO_TWO + timedelta(seconds=seconds) for seconds in (10, 20)
    )


async def test_what_happens_in_other_clinics_does_not_end_a_clinics_truth() -> None:
    office = make_practice(clinics=3, guarantors=100)
    one_clinic = office.balances.get_true_balances("all", [1])
    for _ in range(12):
        await anyio.sleep(1)
        if office.balances.get_true_balances("all", [1]) != one_clinic:
            break
        office.post_activity()
    interval = office.balances.find_true_interval(one_clinic, "all", [1])
    assert interval is not None
    assert interval[0] == TEN_TO_TWO
    assert office.balances.find_true_interval(one_clinic) is None


def _change_one_cent(truth: list[TrueBalance]) -> list[TrueBalance]:
    return [truth[0]._replace(bal_total=truth[0].bal_total + 1), *truth[1:]]


def _add_unknown_family(truth: list[TrueBalance]) -> list[TrueBalance]:
    return [*truth, truth[-1]._replace(pat_num=10**9)]


@pytest.mark.parametrize(
    "falsify",
    [_change_one_cent, _add_unknown_family, lambda truth: truth[:-1], lambda truth: [*truth, truth[0]], lambda _: []],
    ids=["a cent off", "an unknown family", "a family missing", "a family twice", "nothing"],
)
def test_what_was_never_in_the_table_was_never_true(falsify: Any) -> None:
    office = make_practice()
    office.post_activity(4)
    assert office.balances.find_true_interval(falsify(office.balances.get_true_balances())) is None
