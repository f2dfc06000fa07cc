"""Inside the office: what each answer means, and whose affair it is."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from oddaemon.core.diagnostics.diagnosis import (
    CheckName,
    CheckOutcome,
    ClinicShare,
    Clocks,
    Observations,
    PatNumDensity,
    RegisteredKeys,
    is_sql_safe_name,
)
from oddaemon.core.failures.failure import Failure, FailureKind
from oddaemon.core.model import Owner, Reader
from oddaemon.core.snapshot.aging_report import ReportLength
from tests.core.diagnostics.sample_observations import (
    LOCAL,
    NOW,
    WELL,
    find_check,
    list_outcomes,
    make_checked_office,
    make_control,
    make_observations,
    observe_preferences,
)
from tests.golden import GoldenTexts

NO_QUERY = make_observations(
    clocks=Failure(FailureKind.PERMISSION_MISSING, "no"),
    zones=(),
    clinic_shares=None,
    control=None,
    density=None,
    registered_keys=None,
)
"""An office whose key has nothing but Read All."""


@pytest.mark.parametrize(
    ("preferences", "outcome", "text"),
    [
        ({"ProgramVersion": "25.4.48.0"}, CheckOutcome.OK, "25.4.48.0"),
        ({"ProgramVersion": "21.4.3.0"}, CheckOutcome.OK, "blocks the next"),
        ({"ProgramVersion": "21.1.3.0"}, CheckOutcome.FAILED, "too old: 21.1.3.0"),
        ({"ProgramVersion": ""}, CheckOutcome.SKIPPED, "did not report"),
    ],
)
def test_the_version(preferences: dict[str, str], outcome: CheckOutcome, text: str) -> None:
    found = find_check(CheckName.VERSION, observe_preferences(**preferences))
    assert found.outcome is outcome
    assert text in found.sentence


def test_a_query_that_an_old_version_does_not_know_is_the_versions_fault(golden: GoldenTexts) -> None:
    observed = replace(
        observe_preferences(ProgramVersion="21.1.3.0"), clocks=Failure(FailureKind.VERSION_TOO_OLD, "Error.")
    )
    assert find_check(CheckName.VERSION, observed).owner is Owner.OFFICE
    golden.check(find_check(CheckName.QUERIES, observed).sentence)
    without_version = replace(
        observe_preferences(ProgramVersion=""), clocks=Failure(FailureKind.VERSION_TOO_OLD, "Error.")
    )
    assert "Error." in find_check(CheckName.VERSION, without_version).sentence


def test_a_version_without_the_preferences_endpoint_comes_first() -> None:
    observed = make_observations(preferences={}, preferences_failure=Failure(FailureKind.VERSION_TOO_OLD, "Error."))
    assert find_check(CheckName.VERSION, observed).owner is Owner.OFFICE
    for name in (CheckName.PREFERENCES, CheckName.SERVICE, CheckName.AUTOMATION, CheckName.AGING):
        assert find_check(name, observed).sentence == "Skipped: fix “Version” first."


def test_a_key_without_preferences_is_shown_and_dependent_checks_are_skipped(golden: GoldenTexts) -> None:
    observed = make_observations(preferences={}, preferences_failure=Failure(FailureKind.PERMISSION_MISSING))
    found = find_check(CheckName.PREFERENCES, observed)
    assert (found.outcome, found.owner) == (CheckOutcome.FAILED, Owner.US)
    golden.check(find_check(CheckName.VERSION, observed).sentence)
    for name in (CheckName.SERVICE, CheckName.AUTOMATION, CheckName.AGING):
        golden.check(find_check(name, observed).sentence)
    assert find_check(CheckName.GUARANTORS, observed).outcome is CheckOutcome.OK


@pytest.mark.parametrize("kind", [FailureKind.PERMISSION_MISSING, FailureKind.UNKNOWN_401])
def test_a_key_without_queries_is_ours_to_fix(kind: FailureKind, golden: GoldenTexts) -> None:
    found = find_check(CheckName.QUERIES, replace(NO_QUERY, clocks=Failure(kind, "no")))
    assert (found.outcome, found.owner) == (CheckOutcome.FAILED, Owner.US)
    assert "Queries" in found.advice
    golden.check(found.sentence)


def test_a_query_rejected_for_its_text_belongs_to_the_vendor() -> None:
    found = find_check(CheckName.QUERIES, replace(NO_QUERY, clocks=Failure(FailureKind.QUERY_REFUSED, "SCHEMA")))
    assert found.owner is Owner.VENDOR


def test_an_office_read_by_the_report_needs_no_queries(golden: GoldenTexts) -> None:
    by_report = make_checked_office(reader=Reader.REPORT)
    assert find_check(CheckName.QUERIES, NO_QUERY, by_report).outcome is CheckOutcome.SKIPPED
    assert find_check(CheckName.QUERIES, WELL, by_report).advice
    golden.check(find_check(CheckName.READER, WELL, by_report).sentence)
    assert CheckOutcome.FAILED not in list_outcomes(NO_QUERY, by_report).values()


def test_without_queries_nothing_is_guessed(golden: GoldenTexts) -> None:
    for name in (CheckName.CLOCK, CheckName.GUARANTORS, CheckName.READER, CheckName.COST, CheckName.OUR_KEY):
        assert find_check(name, NO_QUERY).outcome is CheckOutcome.SKIPPED
    found = find_check(CheckName.CLINICS, NO_QUERY)
    golden.check(found.sentence)
    assert (
        find_check(CheckName.CLINICS, replace(NO_QUERY, clinics=Failure(FailureKind.MALFORMED))).outcome
        is CheckOutcome.SKIPPED
    )
    # The zone that is configured is believed then.
    assert find_check(CheckName.AGING, NO_QUERY).outcome is CheckOutcome.OK
    assert find_check(CheckName.SERVICE, NO_QUERY).outcome is CheckOutcome.OK
    nowhere = make_checked_office(zone=None)
    assert find_check(CheckName.AGING, NO_QUERY, nowhere).outcome is CheckOutcome.SKIPPED
    assert find_check(CheckName.SERVICE, NO_QUERY, nowhere).outcome is CheckOutcome.SKIPPED


@pytest.mark.parametrize(
    ("report", "outcome", "text"),
    [
        (2.1, CheckOutcome.OK, "takes 2.1 s"),
        (Failure(FailureKind.PERMISSION_MISSING), CheckOutcome.FAILED, "lacks a permission"),
        (Failure(FailureKind.KEY_REJECTED), CheckOutcome.FAILED, "lacks a permission"),
        (Failure(FailureKind.GATEWAY_TIMEOUT), CheckOutcome.OK, "longer than the API's time limit"),
        (Failure(FailureKind.SERVER_ERROR, "sorry"), CheckOutcome.SKIPPED, "sorry"),
        (None, CheckOutcome.SKIPPED, "Skipped"),
    ],
)
def test_reports(report: Any, outcome: CheckOutcome, text: str) -> None:
    found = find_check(CheckName.REPORTS, make_observations(report_seconds=report))
    assert found.outcome is outcome
    assert text in found.sentence


@pytest.mark.parametrize(
    ("length", "guarantors", "cost"),
    [
        (ReportLength(40, 40), "40 guarantors in the aging report.", "10 of them, 20 s."),
        (ReportLength(3700, 4400), "3,700 to 4,400 guarantors in the aging report.", "98 of them, 548 s."),
        (ReportLength(100, None), "At least 100 guarantors in the aging report.", "12 of them, 32 s."),
    ],
)
def test_an_office_that_only_the_report_can_count(length: ReportLength, guarantors: str, cost: str) -> None:
    observed, who = (
        replace(NO_QUERY, report_seconds=6.0, report_length=length),
        make_checked_office(reader=Reader.REPORT),
    )
    assert find_check(CheckName.GUARANTORS, observed, who).sentence == guarantors
    sentence = find_check(CheckName.COST, observed, who).sentence
    assert sentence.endswith(cost), sentence
    assert sentence.startswith("About" if length.at_most else "At least")


def test_each_clinic_of_a_report_costs_pages_of_its_own() -> None:
    observed = replace(NO_QUERY, report_seconds=None, report_length=ReportLength(40, 40))
    assert (
        "14 of them"
        in find_check(CheckName.COST, observed, make_checked_office(reader=Reader.REPORT, clinics=(1, 2, 0))).sentence
    )


def test_an_empty_report_counts_no_guarantor(golden: GoldenTexts) -> None:
    observed = replace(NO_QUERY, report_length=ReportLength(0, 0))
    golden.check(find_check(CheckName.GUARANTORS, observed, make_checked_office(reader=Reader.REPORT)).sentence)


def test_an_old_version_has_no_reports(golden: GoldenTexts) -> None:
    observed = replace(observe_preferences(ProgramVersion="21.3.1.0"), report_seconds=None)
    golden.check(find_check(CheckName.REPORTS, observed).sentence)


def make_clock_reading(office: timedelta = timedelta(), utc: timedelta = timedelta()) -> Clocks:
    return Clocks(LOCAL + office, NOW.replace(tzinfo=None) + utc, NOW)


def test_a_clock_in_another_zone_than_configured_is_ours_to_correct(golden: GoldenTexts) -> None:
    observed = make_observations(clocks=make_clock_reading(office=-timedelta(hours=2)), zones=("America/Los_Angeles",))
    found = find_check(CheckName.CLOCK, observed)
    assert (found.outcome, found.owner) == (CheckOutcome.FAILED, Owner.US)
    assert "UTC-08:00" in found.sentence
    golden.check(found.sentence)
    assert "America/Los_Angeles" in found.sentence
    assert "would fit" not in find_check(CheckName.CLOCK, replace(observed, zones=())).sentence


@pytest.mark.parametrize(
    ("ahead", "text"),
    [
        (timedelta(minutes=7), "7 min fast"),
        (timedelta(minutes=-7), "7 min slow"),
        (timedelta(hours=5), "5 h fast"),
        (timedelta(days=3), "3 d fast"),
    ],
)
def test_a_server_whose_clock_is_wrong_is_the_offices_affair(ahead: timedelta, text: str) -> None:
    found = find_check(CheckName.CLOCK, make_observations(clocks=make_clock_reading(ahead, ahead)))
    assert (found.outcome, found.owner) == (CheckOutcome.FAILED, Owner.OFFICE)
    assert text in found.sentence
    assert found.message


def test_without_a_configured_zone_those_that_fit_are_suggested(golden: GoldenTexts) -> None:
    found = find_check(CheckName.CLOCK, WELL, make_checked_office(zone=None))
    assert found.outcome is CheckOutcome.SKIPPED
    golden.check(found.sentence)
    assert 'timezone = "America/Chicago"' in found.advice
    lost = find_check(CheckName.CLOCK, make_observations(zones=()), make_checked_office(zone=None))
    assert not lost.advice
    # And the measured clock is what aging is judged by.
    assert find_check(CheckName.AGING, WELL, make_checked_office(zone=None)).outcome is CheckOutcome.OK


@pytest.mark.parametrize(
    ("heartbeat", "outcome", "text"),
    [
        ("2026-03-03 08:55:00", CheckOutcome.OK, "running"),
        ("2026-03-03 08:53:00", CheckOutcome.FAILED, "7 min ago"),
        ("", CheckOutcome.SKIPPED, "no heartbeat"),
        ("yesterday", CheckOutcome.SKIPPED, "cannot be parsed"),
    ],
)
def test_the_service(heartbeat: str, outcome: CheckOutcome, text: str) -> None:
    found = find_check(CheckName.SERVICE, observe_preferences(OpenDentalServiceHeartbeat=heartbeat))
    assert found.outcome is outcome
    assert text in found.sentence
    assert bool(found.message) is (outcome is CheckOutcome.FAILED)


@pytest.mark.parametrize(
    ("due", "outcome", "text"),
    [
        ("2000-01-01 02:00:00", CheckOutcome.OK, "02:00"),
        ("", CheckOutcome.FAILED, "No run time is set"),
        ("soon", CheckOutcome.FAILED, "cannot be parsed"),
    ],
)
def test_automated_aging(due: str, outcome: CheckOutcome, text: str) -> None:
    found = find_check(CheckName.AUTOMATION, observe_preferences(AgingServiceTimeDue=due))
    assert found.outcome is outcome
    assert text in found.sentence
    assert bool(found.message) is (outcome is CheckOutcome.FAILED)


@pytest.mark.parametrize(
    ("preferences", "outcome"),
    [
        ({}, CheckOutcome.OK),
        ({"AgingServiceTimeDue": ""}, CheckOutcome.SKIPPED),
        ({"DateLastAging": "2026-03-01"}, CheckOutcome.FAILED),
        ({"DateLastAging": "2027-03-01"}, CheckOutcome.FAILED),
        ({"AgingBeginDateTime": "2026-03-02 10:00:00"}, CheckOutcome.FAILED),
        ({"AgingBeginDateTime": "2026-03-03 08:59:00"}, CheckOutcome.OK),
        ({"DateLastAging": "never"}, CheckOutcome.FAILED),
    ],
)
def test_aging(preferences: dict[str, str], outcome: CheckOutcome) -> None:
    found = find_check(CheckName.AGING, replace(observe_preferences(**preferences), control=None))
    assert found.outcome is outcome
    assert bool(found.message) is (outcome is CheckOutcome.FAILED)


def test_aging_is_judged_by_the_moment_at_which_it_was_asked() -> None:
    later = make_observations(at=NOW + timedelta(days=2))
    assert find_check(CheckName.AGING, later).outcome is CheckOutcome.OK
    assert find_check(CheckName.AGING, replace(later, preferences_at=None)).outcome is CheckOutcome.FAILED


def test_clinics_hidden_ones_and_none_are_counted(golden: GoldenTexts) -> None:
    golden.check(find_check(CheckName.CLINICS).sentence)
    none = make_observations(clinics=(), clinic_shares=(ClinicShare(0, 40, None),))
    golden.check(find_check(CheckName.CLINICS, none).sentence)
    unlisted = make_observations(
        clinics=Failure(FailureKind.SERVER_ERROR), clinic_shares=(ClinicShare(1, 1, hidden=False),)
    )
    assert find_check(CheckName.CLINICS, unlisted).sentence == "1 clinic."


def test_configured_clinics_must_exist_and_excluded_guarantors_are_counted(golden: GoldenTexts) -> None:
    unknown_clinic = find_check(CheckName.CLINICS, WELL, make_checked_office(clinics=(1, 7)))
    assert (unknown_clinic.outcome, unknown_clinic.owner) == (CheckOutcome.FAILED, Owner.US)
    golden.check(unknown_clinic.sentence)
    golden.check(unknown_clinic.advice)
    some = find_check(CheckName.CLINICS, WELL, make_checked_office(clinics=(1,)))
    assert some.outcome is CheckOutcome.OK
    golden.check(some.advice)
    assert not find_check(CheckName.CLINICS, WELL, make_checked_office(clinics=(0, 1, 3))).advice


def test_guarantors(golden: GoldenTexts) -> None:
    golden.check(find_check(CheckName.GUARANTORS).sentence)
    assert find_check(CheckName.GUARANTORS, make_observations(control=make_control(0))).outcome is CheckOutcome.SKIPPED
    refused = make_observations(control=Failure(FailureKind.SQL_ERROR), density=PatNumDensity(1, 1))
    golden.check(find_check(CheckName.GUARANTORS, refused).sentence)


def describe_reading(observed: Observations, **overrides: Any) -> tuple[str, str]:
    who = make_checked_office(**overrides)
    return find_check(CheckName.READER, observed, who).sentence, find_check(CheckName.COST, observed, who).sentence


def test_how_an_office_is_read_and_what_that_takes(golden: GoldenTexts) -> None:
    for observed in (WELL, make_observations(density=Failure(FailureKind.SQL_ERROR))):
        golden.check("\n".join(describe_reading(observed)))
    sparse = make_observations(density=PatNumDensity(4132, 4000))
    golden.check("\n".join(describe_reading(sparse)))
    refused = make_observations(control=Failure(FailureKind.QUERY_REFUSED, "GROUP_CONCAT"))
    golden.check(describe_reading(refused)[0])
    assert "as configured" in describe_reading(WELL, reader=Reader.PAGES)[0]
    assert "92 of them" in describe_reading(WELL, reader=Reader.REPORT)[1]


def test_a_statement_that_is_configured_and_does_not_work_is_ours_to_change() -> None:
    refused = make_observations(control=Failure(FailureKind.QUERY_REFUSED, "GROUP_CONCAT"))
    found = find_check(CheckName.READER, refused, make_checked_office(reader=Reader.STATEMENT))
    assert (found.outcome, found.owner) == (CheckOutcome.FAILED, Owner.US)


@pytest.mark.parametrize(
    ("keys", "outcome", "text"),
    [
        (RegisteredKeys(ours=True, count=2), CheckOutcome.OK, "lists it"),
        (RegisteredKeys(ours=False, count=2), CheckOutcome.SKIPPED, "2 keys of ours"),
        (RegisteredKeys(ours=False, count=0), CheckOutcome.SKIPPED, "no key of “Elm”"),
        (Failure(FailureKind.SQL_ERROR, "no table"), CheckOutcome.SKIPPED, "no table"),
    ],
)
def test_whether_the_office_holds_our_key(keys: Any, outcome: CheckOutcome, text: str) -> None:
    found = find_check(CheckName.OUR_KEY, make_observations(registered_keys=keys))
    assert found.outcome is outcome
    assert text in found.sentence


def test_without_our_name_the_offices_keys_are_not_looked_at() -> None:
    found = find_check(
        CheckName.OUR_KEY, make_observations(registered_keys=None), make_checked_office(developer_name="")
    )
    assert "developer_name" in found.advice


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("", True),
        ("Elm & Sons (2), Dr. O'Neil_+", True),
        ("Zoë", True),
        ("a--b", False),
        ("a;b", False),
        ('a"b', False),
    ],
)
def test_a_developer_s_name_that_could_end_a_statement_is_not_asked_for(name: str, fits: bool) -> None:
    assert is_sql_safe_name(name) is fits
