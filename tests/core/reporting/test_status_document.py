import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oddaemon.core.model import Condition, Owner, Status
from oddaemon.core.reporting.formatting import format_instant, format_money
from oddaemon.core.reporting.status_document import (
    KeyRotation,
    OfficeStatus,
    describe_key_rotation,
    hide_small_sums,
    make_status_document,
)
from tests.core.builders import make_published_snapshot
from tests.golden import GoldenTexts

NOW = datetime(2026, 3, 8, 12, 0, tzinfo=UTC)
SINCE = NOW - timedelta(hours=2)

PUBLISHED = make_published_snapshot(date(2026, 3, 8), SINCE, 4132, -5)


def make_office(id_: str, condition: Condition, **status: datetime | Owner) -> OfficeStatus:
    return OfficeStatus(
        id=id_,
        name=id_.title(),
        status=Status(condition, SINCE, "Said so.", **status),  # type: ignore[arg-type]  # fields by name
    )


@given(st.integers())
def test_money_reads_back_as_the_same_cents(cents: int) -> None:
    assert Fraction(format_money(cents)) * 100 == cents


@given(st.integers())
def test_money_has_two_places_and_no_negative_zero(cents: int) -> None:
    text = format_money(cents)
    assert text[-3] == "."
    assert text.startswith("-") is (cents < 0)


@pytest.mark.parametrize(
    ("cents", "text"), [(123450, "1234.50"), (-5, "-0.05"), (0, "0.00"), (100, "1.00"), (-12345, "-123.45")]
)
def test_money_is_a_decimal_string(cents: int, text: str) -> None:
    assert format_money(cents) == text


@given(st.datetimes(timezones=st.timezones()), st.datetimes(timezones=st.timezones()))
def test_instants_read_back_and_sort_as_they_passed(one: datetime, other: datetime) -> None:
    try:
        one, other = one.astimezone(UTC), other.astimezone(UTC)
    except OverflowError:
        return
    assert abs(datetime.fromisoformat(format_instant(one)) - one) < timedelta(milliseconds=1)
    assert (format_instant(one) < format_instant(other)) <= (one < other)


def test_an_instant_of_another_zone_is_written_in_utc() -> None:
    assert (
        format_instant(datetime(2026, 3, 8, 2, 0, tzinfo=timezone(timedelta(hours=-5)))) == "2026-03-08T07:00:00.000Z"
    )


def test_a_naive_instant_is_refused() -> None:
    with pytest.raises(ValueError, match="has no zone"):
        format_instant(datetime(2026, 3, 8))  # noqa: DTZ001 - naive on purpose


def test_the_document_of_an_office_is_the_contract() -> None:
    status = Status(
        condition=Condition.BLOCKED,
        since=SINCE,
        reason="The key is disabled.",
        owner=Owner.OFFICE,
        advice="Ask the office to enable it.",
        letter="Hello! Could you please enable it?",
        next_action="asks again",
        next_action_at=NOW + timedelta(minutes=30),
        late_at=NOW + timedelta(hours=1),
    )
    row = OfficeStatus("mesa", "Mesa Dental", status, date(2026, 3, 8), PUBLISHED, 1, (("group", "coast"),))
    document = json.loads(json.dumps(make_status_document([row], NOW)))
    assert document["offices"] == [
        {
            "id": "mesa",
            "name": "Mesa Dental",
            "condition": "blocked",
            "since": "2026-03-08T10:00:00.000Z",
            "reason": "The key is disabled.",
            "owner": "office",
            "advice": "Ask the office to enable it.",
            "letter": "Hello! Could you please enable it?",
            "next_action": "asks again",
            "next_action_at": "2026-03-08T12:30:00.000Z",
            "late_at": "2026-03-08T13:00:00.000Z",
            "aging_date": "2026-03-08",
            "snapshot": {
                "id": 7,
                "aging_date": "2026-03-08",
                "published_at": "2026-03-08T10:00:00.000Z",
                "guarantors": 4132,
                "bal_total": "-0.05",
                "verified": True,
            },
            "requests_last_pull": 1,
            "labels": {"group": "coast"},
            "key_trial": None,
            "host": None,
            "held_since": None,
        }
    ]


def test_a_key_rotation_lasts_until_its_time_is_over() -> None:
    rotation = KeyRotation(NOW + timedelta(minutes=9), previous_accepted=True)
    row = replace(make_office("mesa", Condition.FRESH), key_rotation=rotation)
    [document] = make_status_document([row], NOW)["offices"]
    assert document["key_trial"] == {"ends_at": "2026-03-08T12:09:00.000Z", "former_accepted": True}
    [document] = make_status_document([row], NOW + timedelta(minutes=9))["offices"]
    assert document["key_trial"] is None


def test_a_key_rotation_says_what_is_used_and_what_comes_after(golden: GoldenTexts) -> None:
    assert "until 15:29" in describe_key_rotation(True, "15:29")
    golden.check(describe_key_rotation(True, "15:29"))
    golden.check(describe_key_rotation(False, "15:29"))


def test_what_is_not_known_is_null() -> None:
    [document] = make_status_document([make_office("new", Condition.WAITING)], NOW)["offices"]
    nulls = {key for key, value in document.items() if value is None}
    assert nulls == {
        *("owner", "next_action_at", "late_at", "aging_date", "snapshot", "requests_last_pull", "key_trial"),
        *("host", "held_since"),
    }


def test_an_office_that_waits_past_its_deadline_is_shown_as_late() -> None:
    document = make_status_document([make_office("slow", Condition.AGING, late_at=NOW - timedelta(minutes=1))], NOW)
    assert document["offices"][0]["condition"] == "late"
    assert document["offices"][0]["since"] == "2026-03-08T11:59:00.000Z"
    assert document["summary"]["conditions"]["late"] == 1


def test_the_summary_counts_every_condition() -> None:
    offices = [
        make_office("a", Condition.FRESH, next_action_at=NOW + timedelta(hours=3)),
        make_office("b", Condition.FRESH, next_action_at=NOW + timedelta(hours=1)),
        make_office("c", Condition.PULLING),
        make_office("d", Condition.PAUSED),
    ]
    summary = make_status_document(offices, NOW)["summary"]
    assert summary["total"] == 4
    assert {name: count for name, count in summary["conditions"].items() if count} == {
        "fresh": 2,
        "pulling": 1,
        "paused": 1,
    }
    assert set(summary["conditions"]) == set(Condition)
    assert summary["fresh_share"] == 0.6667
    assert summary["next_action_at"] == "2026-03-08T13:00:00.000Z"


def test_a_fleet_of_none_has_no_share() -> None:
    assert make_status_document([], NOW)["summary"] == {
        "total": 0,
        "conditions": {condition.value: 0 for condition in Condition},
        "fresh_share": None,
        "next_action_at": None,
    }


@pytest.mark.parametrize(("guarantors", "bal_total"), [(0, "-0.05"), (1, None), (4, None), (5, "-0.05")])
def test_the_sum_of_a_few_families_is_hidden_without_authentication(guarantors: int, bal_total: str | None) -> None:
    few = replace(PUBLISHED, totals=PUBLISHED.totals._replace(guarantors=guarantors))
    row = replace(make_office("mesa", Condition.FRESH), snapshot=few)
    (office,) = make_status_document([row], NOW)["offices"]
    shown = hide_small_sums(office)["snapshot"]
    assert shown is not None
    assert shown["bal_total"] == bal_total
    assert office["snapshot"] is not None
    assert office["snapshot"]["bal_total"] == "-0.05"


def test_an_office_without_a_snapshot_has_nothing_to_hide() -> None:
    (office,) = make_status_document([make_office("mesa", Condition.LATE)], NOW)["offices"]
    assert hide_small_sums(office) == office
