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
from tests.core.examinations import LOCAL, NOW, WELL, control, outcomes, patient, seen, step, telling

NO_QUERY = seen(
    clocks=Failure(FailureKind.PERMISSION_MISSING, "no"),
    zones=(),
    clinic_shares=None,
    control=None,
    density=None,
    registered_keys=None,
)
"""An office whose key has nothing but Read All."""


@pytest.mark.parametrize(
    ("preferences", "outcome", "words"),
    [
        ({"ProgramVersion": "25.4.48.0"}, CheckOutcome.OK, "25.4.48.0"),
        ({"ProgramVersion": "21.4.3.0"}, CheckOutcome.OK, "blocks the next"),
        ({"ProgramVersion": "21.1.3.0"}, CheckOutcome.FAILED, "too old: 21.1.3.0"),
        ({"ProgramVersion": ""}, CheckOutcome.SKIPPED, "does not tell"),
    ],
)
def test_the_version(preferences: dict[str, str], outcome: CheckOutcome, words: str) -> None:
    found = step(CheckName.VERSION, telling(**preferences))
    assert found.outcome is outcome
    assert words in found.sentence


def test_a_query_that_an_old_version_does_not_know_is_the_versions_fault() -> None:
    observed = replace(telling(ProgramVersion="21.1.3.0"), clocks=Failure(FailureKind.VERSION_TOO_OLD, "Error."))
    assert step(CheckName.VERSION, observed).owner is Owner.OFFICE
    assert step(CheckName.QUERIES, observed).sentence == "Not tried: “Version” comes first."
    untold = replace(telling(ProgramVersion=""), clocks=Failure(FailureKind.VERSION_TOO_OLD, "Error."))
    assert "Error." in step(CheckName.VERSION, untold).sentence


def test_a_version_that_does_not_even_know_the_question_for_a_preference_is_the_first_to_mend() -> None:
    observed = seen(preferences={}, preferences_failure=Failure(FailureKind.VERSION_TOO_OLD, "Error."))
    assert step(CheckName.VERSION, observed).owner is Owner.OFFICE
    for name in (CheckName.PREFERENCES, CheckName.SERVICE, CheckName.AUTOMATION, CheckName.AGING):
        assert step(name, observed).sentence == "Not tried: “Version” comes first."


def test_a_key_that_may_not_read_preferences_is_shown_and_what_they_would_have_told_is_not_tried() -> None:
    observed = seen(preferences={}, preferences_failure=Failure(FailureKind.PERMISSION_MISSING))
    found = step(CheckName.PREFERENCES, observed)
    assert (found.outcome, found.owner) == (CheckOutcome.FAILED, Owner.US)
    assert step(CheckName.VERSION, observed).sentence == "The office does not tell its version."
    for name in (CheckName.SERVICE, CheckName.AUTOMATION, CheckName.AGING):
        assert step(name, observed).sentence == "Not tried: “May read preferences” comes first."
    assert step(CheckName.GUARANTORS, observed).outcome is CheckOutcome.OK


@pytest.mark.parametrize("kind", [FailureKind.PERMISSION_MISSING, FailureKind.UNKNOWN_401])
def test_a_key_without_queries_is_ours_to_mend(kind: FailureKind) -> None:
    found = step(CheckName.QUERIES, replace(NO_QUERY, clocks=Failure(kind, "no")))
    assert (found.outcome, found.owner) == (CheckOutcome.FAILED, Owner.US)
    assert "Queries" in found.advice
    assert "lacks a permission" in found.sentence


def test_a_query_that_is_refused_for_its_words_is_the_vendors_affair() -> None:
    found = step(CheckName.QUERIES, replace(NO_QUERY, clocks=Failure(FailureKind.QUERY_REFUSED, "SCHEMA")))
    assert found.owner is Owner.VENDOR


def test_an_office_read_by_the_report_needs_no_queries() -> None:
    by_report = patient(reader=Reader.REPORT)
    assert step(CheckName.QUERIES, NO_QUERY, by_report).outcome is CheckOutcome.SKIPPED
    assert step(CheckName.QUERIES, WELL, by_report).advice
    assert step(CheckName.READER, WELL, by_report).sentence.startswith("By the aging report")
    assert CheckOutcome.FAILED not in outcomes(NO_QUERY, by_report).values()


def test_without_queries_nothing_is_guessed() -> None:
    for name in (CheckName.CLOCK, CheckName.GUARANTORS, CheckName.READER, CheckName.COST, CheckName.OUR_KEY):
        assert step(name, NO_QUERY).outcome is CheckOutcome.SKIPPED
    found = step(CheckName.CLINICS, NO_QUERY)
    assert found.sentence == "2 clinics. Hidden ones and ClinicNum 0 show in queries only."
    assert (
        step(CheckName.CLINICS, replace(NO_QUERY, clinics=Failure(FailureKind.MALFORMED))).outcome
        is CheckOutcome.SKIPPED
    )
    # The zone that is configured is believed then.
    assert step(CheckName.AGING, NO_QUERY).outcome is CheckOutcome.OK
    assert step(CheckName.SERVICE, NO_QUERY).outcome is CheckOutcome.OK
    nowhere = patient(zone=None)
    assert step(CheckName.AGING, NO_QUERY, nowhere).outcome is CheckOutcome.SKIPPED
    assert step(CheckName.SERVICE, NO_QUERY, nowhere).outcome is CheckOutcome.SKIPPED


@pytest.mark.parametrize(
    ("report", "outcome", "words"),
    [
        (2.1, CheckOutcome.OK, "takes 2.1 s"),
        (Failure(FailureKind.PERMISSION_MISSING), CheckOutcome.FAILED, "lacks a permission"),
        (Failure(FailureKind.KEY_REJECTED), CheckOutcome.FAILED, "lacks a permission"),
        (Failure(FailureKind.GATEWAY_TIMEOUT), CheckOutcome.OK, "longer than the API waits"),
        (Failure(FailureKind.SERVER_ERROR, "sorry"), CheckOutcome.SKIPPED, "sorry"),
        (None, CheckOutcome.SKIPPED, "Not tried"),
    ],
)
def test_reports(report: Any, outcome: CheckOutcome, words: str) -> None:
    found = step(CheckName.REPORTS, seen(report_seconds=report))
    assert found.outcome is outcome
    assert words in found.sentence


@pytest.mark.parametrize(
    ("length", "guarantors", "cost"),
    [
        (ReportLength(40, 40), "40 guarantors in the aging report.", "10 of them, 20 s."),
        (ReportLength(3700, 4400), "3,700 to 4,400 guarantors in the aging report.", "98 of them, 548 s."),
        (ReportLength(100, None), "At least 100 guarantors in the aging report.", "12 of them, 32 s."),
    ],
)
def test_an_office_that_only_the_report_can_count(length: ReportLength, guarantors: str, cost: str) -> None:
    observed, who = replace(NO_QUERY, report_seconds=6.0, report_length=length), patient(reader=Reader.REPORT)
    assert step(CheckName.GUARANTORS, observed, who).sentence == guarantors
    told = step(CheckName.COST, observed, who).sentence
    assert told.endswith(cost), told
    assert told.startswith("About" if length.at_most else "At least")


def test_each_clinic_of_a_report_costs_pages_of_its_own() -> None:
    observed = replace(NO_QUERY, report_seconds=None, report_length=ReportLength(40, 40))
    assert "14 of them" in step(CheckName.COST, observed, patient(reader=Reader.REPORT, clinics=(1, 2, 0))).sentence


def test_a_report_of_nobody_is_told_as_nobody() -> None:
    observed = replace(NO_QUERY, report_length=ReportLength(0, 0))
    assert step(CheckName.GUARANTORS, observed, patient(reader=Reader.REPORT)).sentence == "Nobody has a balance."


def test_an_old_version_has_no_reports() -> None:
    observed = replace(telling(ProgramVersion="21.3.1.0"), report_seconds=None)
    assert step(CheckName.REPORTS, observed).sentence == "Open Dental has them from 21.4 on."


def clocks(office: timedelta = timedelta(), utc: timedelta = timedelta()) -> Clocks:
    return Clocks(LOCAL + office, NOW.replace(tzinfo=None) + utc, NOW)


def test_a_clock_in_another_zone_than_configured_is_ours_to_correct() -> None:
    observed = seen(clocks=clocks(office=-timedelta(hours=2)), zones=("America/Los_Angeles",))
    found = step(CheckName.CLOCK, observed)
    assert (found.outcome, found.owner) == (CheckOutcome.FAILED, Owner.US)
    assert "UTC-08:00" in found.sentence
    assert "America/Chicago would be UTC-06:00" in found.sentence
    assert "America/Los_Angeles" in found.sentence
    assert "would fit" not in step(CheckName.CLOCK, replace(observed, zones=())).sentence


@pytest.mark.parametrize(
    ("ahead", "words"),
    [
        (timedelta(minutes=7), "7 min fast"),
        (timedelta(minutes=-7), "7 min slow"),
        (timedelta(hours=5), "5 h fast"),
        (timedelta(days=3), "3 d fast"),
    ],
)
def test_a_server_whose_clock_is_wrong_is_the_offices_affair(ahead: timedelta, words: str) -> None:
    found = step(CheckName.CLOCK, seen(clocks=clocks(ahead, ahead)))
    assert (found.outcome, found.owner) == (CheckOutcome.FAILED, Owner.OFFICE)
    assert words in found.sentence
    assert found.message


def test_without_a_configured_zone_those_that_fit_are_suggested() -> None:
    found = step(CheckName.CLOCK, WELL, patient(zone=None))
    assert found.outcome is CheckOutcome.SKIPPED
    assert "America/Chicago or America/Regina" in found.sentence
    assert 'timezone = "America/Chicago"' in found.advice
    lost = step(CheckName.CLOCK, seen(zones=()), patient(zone=None))
    assert not lost.advice
    # And the measured clock is what aging is judged by.
    assert step(CheckName.AGING, WELL, patient(zone=None)).outcome is CheckOutcome.OK


@pytest.mark.parametrize(
    ("heartbeat", "outcome", "words"),
    [
        ("2026-03-03 08:55:00", CheckOutcome.OK, "alive"),
        ("2026-03-03 08:53:00", CheckOutcome.FAILED, "7 min ago"),
        ("", CheckOutcome.SKIPPED, "no heartbeat"),
        ("yesterday", CheckOutcome.SKIPPED, "cannot be read"),
    ],
)
def test_the_service(heartbeat: str, outcome: CheckOutcome, words: str) -> None:
    found = step(CheckName.SERVICE, telling(OpenDentalServiceHeartbeat=heartbeat))
    assert found.outcome is outcome
    assert words in found.sentence
    assert bool(found.message) is (outcome is CheckOutcome.FAILED)


@pytest.mark.parametrize(
    ("due", "outcome", "words"),
    [
        ("2000-01-01 02:00:00", CheckOutcome.OK, "02:00"),
        ("", CheckOutcome.FAILED, "switched off"),
        ("soon", CheckOutcome.FAILED, "cannot be read"),
    ],
)
def test_automated_aging(due: str, outcome: CheckOutcome, words: str) -> None:
    found = step(CheckName.AUTOMATION, telling(AgingServiceTimeDue=due))
    assert found.outcome is outcome
    assert words in found.sentence
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
    found = step(CheckName.AGING, telling(**preferences))
    assert found.outcome is outcome
    assert bool(found.message) is (outcome is CheckOutcome.FAILED)


def test_aging_is_judged_by_the_moment_at_which_it_was_asked() -> None:
    later = seen(at=NOW + timedelta(days=2))
    assert step(CheckName.AGING, later).outcome is CheckOutcome.OK
    assert step(CheckName.AGING, replace(later, preferences_at=None)).outcome is CheckOutcome.FAILED


def test_clinics_hidden_ones_and_none_are_counted() -> None:
    assert (
        step(CheckName.CLINICS).sentence
        == "2 clinics. 1 hidden one with 92 guarantors. 40 guarantors in none (ClinicNum 0)."
    )
    none = seen(clinics=(), clinic_shares=(ClinicShare(0, 40, None),))
    assert step(CheckName.CLINICS, none).sentence == "Clinics are not in use."
    unlisted = seen(clinics=Failure(FailureKind.SERVER_ERROR), clinic_shares=(ClinicShare(1, 1, hidden=False),))
    assert step(CheckName.CLINICS, unlisted).sentence == "1 clinic."


def test_clinics_that_are_configured_must_exist_and_what_they_leave_out_is_told() -> None:
    stranger = step(CheckName.CLINICS, WELL, patient(clinics=(1, 7)))
    assert (stranger.outcome, stranger.owner) == (CheckOutcome.FAILED, Owner.US)
    assert "`clinics` names 7" in stranger.sentence
    assert "there are 0, 1, 2, 3" in stranger.advice
    some = step(CheckName.CLINICS, WELL, patient(clinics=(1,)))
    assert some.outcome is CheckOutcome.OK
    assert some.advice == "`clinics` leaves out 0, 3, with 132 guarantors."
    assert not step(CheckName.CLINICS, WELL, patient(clinics=(0, 1, 3))).advice


def test_guarantors() -> None:
    assert step(CheckName.GUARANTORS).sentence == "4,132 guarantors with a balance."
    assert step(CheckName.GUARANTORS, seen(control=control(0))).outcome is CheckOutcome.SKIPPED
    refused = seen(control=Failure(FailureKind.SQL_ERROR), density=PatNumDensity(1, 1))
    assert step(CheckName.GUARANTORS, refused).sentence == "1 guarantor with a balance."


def reads(observed: Observations, **wishes: Any) -> tuple[str, str]:
    who = patient(**wishes)
    return step(CheckName.READER, observed, who).sentence, step(CheckName.COST, observed, who).sentence


def test_how_an_office_is_read_and_what_that_takes() -> None:
    assert reads(WELL) == (
        "In one statement.",
        "About 68, 68 s of the key's time in all; reading the balances takes 1 of them, 1 s.",
    )
    assert reads(seen(density=Failure(FailureKind.SQL_ERROR)))[0] == "In one statement."
    sparse = seen(density=PatNumDensity(4132, 4000))
    assert reads(sparse) == (
        "In pages: its PatNums are too far apart to pack.",
        "About 111, 111 s of the key's time in all; reading the balances takes 44 of them, 44 s.",
    )
    refused = seen(control=Failure(FailureKind.QUERY_REFUSED, "GROUP_CONCAT"))
    assert "does not work here" in reads(refused)[0]
    assert "as configured" in reads(WELL, reader=Reader.PAGES)[0]
    assert "92 of them" in reads(WELL, reader=Reader.REPORT)[1]


def test_a_statement_that_is_configured_and_does_not_work_is_ours_to_change() -> None:
    refused = seen(control=Failure(FailureKind.QUERY_REFUSED, "GROUP_CONCAT"))
    found = step(CheckName.READER, refused, patient(reader=Reader.STATEMENT))
    assert (found.outcome, found.owner) == (CheckOutcome.FAILED, Owner.US)


@pytest.mark.parametrize(
    ("held", "outcome", "words"),
    [
        (RegisteredKeys(ours=True, count=2), CheckOutcome.OK, "holds it"),
        (RegisteredKeys(ours=False, count=2), CheckOutcome.FAILED, "2 keys of ours"),
        (RegisteredKeys(ours=False, count=0), CheckOutcome.SKIPPED, "no key of “Elm”"),
        (Failure(FailureKind.SQL_ERROR, "no table"), CheckOutcome.SKIPPED, "no table"),
    ],
)
def test_whether_the_office_holds_our_key(held: Any, outcome: CheckOutcome, words: str) -> None:
    found = step(CheckName.OUR_KEY, seen(registered_keys=held))
    assert found.outcome is outcome
    assert words in found.sentence


def test_without_our_name_the_offices_keys_are_not_looked_at() -> None:
    found = step(CheckName.OUR_KEY, seen(registered_keys=None), patient(developer_name=""))
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
