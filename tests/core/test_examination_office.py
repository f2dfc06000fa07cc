"""Inside the office: what each answer means, and whose affair it is."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from oddaemon.core.examination import ClinicShare, Clocks, HeldKeys, Outcome, Seen, Shape, StepName, fits_a_statement
from oddaemon.core.failure import Failure, Kind
from oddaemon.core.model import Owner, Reader
from oddaemon.core.report import Length
from tests.core.examinations import LOCAL, NOW, WELL, control, outcomes, patient, seen, step, telling

NO_QUERY = seen(
    clocks=Failure(Kind.PERMISSION_MISSING, "no"), zones=(), shares=None, control=None, shape=None, held=None
)
"""An office whose key has nothing but Read All."""


@pytest.mark.parametrize(
    ("preferences", "outcome", "words"),
    [
        ({"ProgramVersion": "25.4.48.0"}, Outcome.OK, "25.4.48.0"),
        ({"ProgramVersion": "21.4.3.0"}, Outcome.OK, "blocks the next"),
        ({"ProgramVersion": "21.1.3.0"}, Outcome.WRONG, "too old: 21.1.3.0"),
        ({"ProgramVersion": ""}, Outcome.UNTOLD, "does not tell"),
    ],
)
def test_the_version(preferences: dict[str, str], outcome: Outcome, words: str) -> None:
    found = step(StepName.VERSION, telling(**preferences))
    assert found.outcome is outcome
    assert words in found.sentence


def test_a_query_that_an_old_version_does_not_know_is_the_versions_fault() -> None:
    observed = replace(telling(ProgramVersion="21.1.3.0"), clocks=Failure(Kind.VERSION_TOO_OLD, "Error."))
    assert step(StepName.VERSION, observed).owner is Owner.OFFICE
    assert step(StepName.QUERIES, observed).sentence == "Not tried: “Version” comes first."
    untold = replace(telling(ProgramVersion=""), clocks=Failure(Kind.VERSION_TOO_OLD, "Error."))
    assert "Error." in step(StepName.VERSION, untold).sentence


def test_a_version_that_does_not_even_know_the_question_for_a_preference_is_the_first_to_mend() -> None:
    observed = seen(preferences={}, preferences_failure=Failure(Kind.VERSION_TOO_OLD, "Error."))
    assert step(StepName.VERSION, observed).owner is Owner.OFFICE
    for name in (StepName.PREFERENCES, StepName.SERVICE, StepName.AUTOMATION, StepName.AGING):
        assert step(name, observed).sentence == "Not tried: “Version” comes first."


def test_a_key_that_may_not_read_preferences_is_shown_and_what_they_would_have_told_is_not_tried() -> None:
    observed = seen(preferences={}, preferences_failure=Failure(Kind.PERMISSION_MISSING))
    found = step(StepName.PREFERENCES, observed)
    assert (found.outcome, found.owner) == (Outcome.WRONG, Owner.US)
    assert step(StepName.VERSION, observed).sentence == "The office does not tell its version."
    for name in (StepName.SERVICE, StepName.AUTOMATION, StepName.AGING):
        assert step(name, observed).sentence == "Not tried: “May read preferences” comes first."
    assert step(StepName.GUARANTORS, observed).outcome is Outcome.OK


@pytest.mark.parametrize("kind", [Kind.PERMISSION_MISSING, Kind.UNKNOWN_401])
def test_a_key_without_queries_is_ours_to_mend(kind: Kind) -> None:
    found = step(StepName.QUERIES, replace(NO_QUERY, clocks=Failure(kind, "no")))
    assert (found.outcome, found.owner) == (Outcome.WRONG, Owner.US)
    assert "Queries" in found.advice
    assert "lacks a permission" in found.sentence


def test_a_query_that_is_refused_for_its_words_is_the_vendors_affair() -> None:
    found = step(StepName.QUERIES, replace(NO_QUERY, clocks=Failure(Kind.QUERY_REFUSED, "SCHEMA")))
    assert found.owner is Owner.VENDOR


def test_an_office_read_by_the_report_needs_no_queries() -> None:
    by_report = patient(reader=Reader.REPORT)
    assert step(StepName.QUERIES, NO_QUERY, by_report).outcome is Outcome.UNTOLD
    assert step(StepName.QUERIES, WELL, by_report).advice
    assert step(StepName.READER, WELL, by_report).sentence.startswith("By the aging report")
    assert Outcome.WRONG not in outcomes(NO_QUERY, by_report).values()


def test_without_queries_nothing_is_guessed() -> None:
    for name in (StepName.CLOCK, StepName.GUARANTORS, StepName.READER, StepName.COST, StepName.OUR_KEY):
        assert step(name, NO_QUERY).outcome is Outcome.UNTOLD
    found = step(StepName.CLINICS, NO_QUERY)
    assert found.sentence == "2 clinics. Hidden ones and ClinicNum 0 show in queries only."
    assert step(StepName.CLINICS, replace(NO_QUERY, clinics=Failure(Kind.MALFORMED))).outcome is Outcome.UNTOLD
    # The zone that is configured is believed then.
    assert step(StepName.AGING, NO_QUERY).outcome is Outcome.OK
    assert step(StepName.SERVICE, NO_QUERY).outcome is Outcome.OK
    nowhere = patient(zone=None)
    assert step(StepName.AGING, NO_QUERY, nowhere).outcome is Outcome.UNTOLD
    assert step(StepName.SERVICE, NO_QUERY, nowhere).outcome is Outcome.UNTOLD


@pytest.mark.parametrize(
    ("report", "outcome", "words"),
    [
        (2.1, Outcome.OK, "takes 2.1 s"),
        (Failure(Kind.PERMISSION_MISSING), Outcome.WRONG, "lacks a permission"),
        (Failure(Kind.KEY_REJECTED), Outcome.WRONG, "lacks a permission"),
        (Failure(Kind.GATEWAY_TIMEOUT), Outcome.OK, "longer than the API waits"),
        (Failure(Kind.SERVER_ERROR, "sorry"), Outcome.UNTOLD, "sorry"),
        (None, Outcome.UNTOLD, "Not tried"),
    ],
)
def test_reports(report: Any, outcome: Outcome, words: str) -> None:
    found = step(StepName.REPORTS, seen(report=report))
    assert found.outcome is outcome
    assert words in found.sentence


@pytest.mark.parametrize(
    ("length", "guarantors", "cost"),
    [
        (Length(40, 40), "40 guarantors in the aging report.", "10 of them, 20 s."),
        (Length(3700, 4400), "3,700 to 4,400 guarantors in the aging report.", "98 of them, 548 s."),
        (Length(100, None), "At least 100 guarantors in the aging report.", "12 of them, 32 s."),
    ],
)
def test_an_office_that_only_the_report_can_count(length: Length, guarantors: str, cost: str) -> None:
    observed, who = replace(NO_QUERY, report=6.0, length=length), patient(reader=Reader.REPORT)
    assert step(StepName.GUARANTORS, observed, who).sentence == guarantors
    told = step(StepName.COST, observed, who).sentence
    assert told.endswith(cost), told
    assert told.startswith("About" if length.at_most else "At least")


def test_each_clinic_of_a_report_costs_pages_of_its_own() -> None:
    observed = replace(NO_QUERY, report=None, length=Length(40, 40))
    assert "14 of them" in step(StepName.COST, observed, patient(reader=Reader.REPORT, clinics=(1, 2, 0))).sentence


def test_a_report_of_nobody_is_told_as_nobody() -> None:
    observed = replace(NO_QUERY, length=Length(0, 0))
    assert step(StepName.GUARANTORS, observed, patient(reader=Reader.REPORT)).sentence == "Nobody has a balance."


def test_an_old_version_has_no_reports() -> None:
    observed = replace(telling(ProgramVersion="21.3.1.0"), report=None)
    assert step(StepName.REPORTS, observed).sentence == "Open Dental has them from 21.4 on."


def clocks(office: timedelta = timedelta(), utc: timedelta = timedelta()) -> Clocks:
    return Clocks(LOCAL + office, NOW.replace(tzinfo=None) + utc, NOW)


def test_a_clock_in_another_zone_than_configured_is_ours_to_correct() -> None:
    observed = seen(clocks=clocks(office=-timedelta(hours=2)), zones=("America/Los_Angeles",))
    found = step(StepName.CLOCK, observed)
    assert (found.outcome, found.owner) == (Outcome.WRONG, Owner.US)
    assert "UTC-08:00" in found.sentence
    assert "America/Chicago would be UTC-06:00" in found.sentence
    assert "America/Los_Angeles" in found.sentence
    assert "would fit" not in step(StepName.CLOCK, replace(observed, zones=())).sentence


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
    found = step(StepName.CLOCK, seen(clocks=clocks(ahead, ahead)))
    assert (found.outcome, found.owner) == (Outcome.WRONG, Owner.OFFICE)
    assert words in found.sentence
    assert found.letter


def test_without_a_configured_zone_those_that_fit_are_suggested() -> None:
    found = step(StepName.CLOCK, WELL, patient(zone=None))
    assert found.outcome is Outcome.UNTOLD
    assert "America/Chicago or America/Regina" in found.sentence
    assert 'timezone = "America/Chicago"' in found.advice
    lost = step(StepName.CLOCK, seen(zones=()), patient(zone=None))
    assert not lost.advice
    # And the measured clock is what aging is judged by.
    assert step(StepName.AGING, WELL, patient(zone=None)).outcome is Outcome.OK


@pytest.mark.parametrize(
    ("heartbeat", "outcome", "words"),
    [
        ("2026-03-03 08:55:00", Outcome.OK, "alive"),
        ("2026-03-03 08:53:00", Outcome.WRONG, "7 min ago"),
        ("", Outcome.UNTOLD, "no heartbeat"),
        ("yesterday", Outcome.UNTOLD, "cannot be read"),
    ],
)
def test_the_service(heartbeat: str, outcome: Outcome, words: str) -> None:
    found = step(StepName.SERVICE, telling(OpenDentalServiceHeartbeat=heartbeat))
    assert found.outcome is outcome
    assert words in found.sentence
    assert bool(found.letter) is (outcome is Outcome.WRONG)


@pytest.mark.parametrize(
    ("due", "outcome", "words"),
    [
        ("2000-01-01 02:00:00", Outcome.OK, "02:00"),
        ("", Outcome.WRONG, "switched off"),
        ("soon", Outcome.WRONG, "cannot be read"),
    ],
)
def test_automated_aging(due: str, outcome: Outcome, words: str) -> None:
    found = step(StepName.AUTOMATION, telling(AgingServiceTimeDue=due))
    assert found.outcome is outcome
    assert words in found.sentence
    assert bool(found.letter) is (outcome is Outcome.WRONG)


@pytest.mark.parametrize(
    ("preferences", "outcome"),
    [
        ({}, Outcome.OK),
        ({"AgingServiceTimeDue": ""}, Outcome.UNTOLD),
        ({"DateLastAging": "2026-03-01"}, Outcome.WRONG),
        ({"DateLastAging": "2027-03-01"}, Outcome.WRONG),
        ({"AgingBeginDateTime": "2026-03-02 10:00:00"}, Outcome.WRONG),
        ({"AgingBeginDateTime": "2026-03-03 08:59:00"}, Outcome.OK),
        ({"DateLastAging": "never"}, Outcome.WRONG),
    ],
)
def test_aging(preferences: dict[str, str], outcome: Outcome) -> None:
    found = step(StepName.AGING, telling(**preferences))
    assert found.outcome is outcome
    assert bool(found.letter) is (outcome is Outcome.WRONG)


def test_aging_is_judged_by_the_moment_at_which_it_was_asked() -> None:
    later = seen(at=NOW + timedelta(days=2))
    assert step(StepName.AGING, later).outcome is Outcome.OK
    assert step(StepName.AGING, replace(later, preferences_at=None)).outcome is Outcome.WRONG


def test_clinics_hidden_ones_and_none_are_counted() -> None:
    assert (
        step(StepName.CLINICS).sentence
        == "2 clinics. 1 hidden one with 92 guarantors. 40 guarantors in none (ClinicNum 0)."
    )
    none = seen(clinics=(), shares=(ClinicShare(0, 40, None),))
    assert step(StepName.CLINICS, none).sentence == "Clinics are not in use."
    unlisted = seen(clinics=Failure(Kind.SERVER_ERROR), shares=(ClinicShare(1, 1, hidden=False),))
    assert step(StepName.CLINICS, unlisted).sentence == "1 clinic."


def test_clinics_that_are_configured_must_exist_and_what_they_leave_out_is_told() -> None:
    stranger = step(StepName.CLINICS, WELL, patient(clinics=(1, 7)))
    assert (stranger.outcome, stranger.owner) == (Outcome.WRONG, Owner.US)
    assert "`clinics` names 7" in stranger.sentence
    assert "there are 0, 1, 2, 3" in stranger.advice
    some = step(StepName.CLINICS, WELL, patient(clinics=(1,)))
    assert some.outcome is Outcome.OK
    assert some.advice == "`clinics` leaves out 0, 3, with 132 guarantors."
    assert not step(StepName.CLINICS, WELL, patient(clinics=(0, 1, 3))).advice


def test_guarantors() -> None:
    assert step(StepName.GUARANTORS).sentence == "4,132 guarantors with a balance."
    assert step(StepName.GUARANTORS, seen(control=control(0))).outcome is Outcome.UNTOLD
    refused = seen(control=Failure(Kind.SQL_ERROR), shape=Shape(1, 1))
    assert step(StepName.GUARANTORS, refused).sentence == "1 guarantor with a balance."


def reads(observed: Seen, **wishes: Any) -> tuple[str, str]:
    who = patient(**wishes)
    return step(StepName.READER, observed, who).sentence, step(StepName.COST, observed, who).sentence


def test_how_an_office_is_read_and_what_that_takes() -> None:
    assert reads(WELL) == (
        "In one statement.",
        "About 68, 68 s of the key's time in all; reading the balances takes 1 of them, 1 s.",
    )
    assert reads(seen(shape=Failure(Kind.SQL_ERROR)))[0] == "In one statement."
    sparse = seen(shape=Shape(4132, 4000))
    assert reads(sparse) == (
        "In pages: its PatNums are too far apart to pack.",
        "About 111, 111 s of the key's time in all; reading the balances takes 44 of them, 44 s.",
    )
    refused = seen(control=Failure(Kind.QUERY_REFUSED, "GROUP_CONCAT"))
    assert "does not work here" in reads(refused)[0]
    assert "as configured" in reads(WELL, reader=Reader.PAGES)[0]
    assert "92 of them" in reads(WELL, reader=Reader.REPORT)[1]


def test_a_statement_that_is_configured_and_does_not_work_is_ours_to_change() -> None:
    refused = seen(control=Failure(Kind.QUERY_REFUSED, "GROUP_CONCAT"))
    found = step(StepName.READER, refused, patient(reader=Reader.STATEMENT))
    assert (found.outcome, found.owner) == (Outcome.WRONG, Owner.US)


@pytest.mark.parametrize(
    ("held", "outcome", "words"),
    [
        (HeldKeys(ours=True, count=2), Outcome.OK, "holds it"),
        (HeldKeys(ours=False, count=2), Outcome.WRONG, "2 keys of ours"),
        (HeldKeys(ours=False, count=0), Outcome.UNTOLD, "no key of “Elm”"),
        (Failure(Kind.SQL_ERROR, "no table"), Outcome.UNTOLD, "no table"),
    ],
)
def test_whether_the_office_holds_our_key(held: Any, outcome: Outcome, words: str) -> None:
    found = step(StepName.OUR_KEY, seen(held=held))
    assert found.outcome is outcome
    assert words in found.sentence


def test_without_our_name_the_offices_keys_are_not_looked_at() -> None:
    found = step(StepName.OUR_KEY, seen(held=None), patient(developer_name=""))
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
    assert fits_a_statement(name) is fits
