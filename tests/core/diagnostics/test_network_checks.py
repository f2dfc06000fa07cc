"""From here to the office: each failure is shown where it happened, and nothing after it is tried."""

from dataclasses import replace
from datetime import timedelta

import pytest

from oddaemon.core.diagnostics.diagnosis import (
    CheckName,
    CheckOutcome,
    Connectivity,
    Observations,
    attribute_rejected_key,
    make_diagnosis_document,
    parse_diagnosis,
)
from oddaemon.core.diagnostics.network_checks import CHECK_BY_FAILURE, is_blocking
from oddaemon.core.failures.failure import Failure, FailureKind
from oddaemon.core.failures.messages import format_failure_message
from oddaemon.core.model import Owner
from tests.core.diagnostics.sample_observations import (
    NOW,
    REACH,
    WELL,
    find_check,
    list_outcomes,
    make_checked_office,
    make_diagnosis,
    make_observations,
    observe_only,
)
from tests.golden import GoldenTexts

CHECK_ORDER = list(CheckName)
NETWORK_CHECKS = CHECK_ORDER[: CHECK_ORDER.index(CheckName.VERSION)]


def observe_failure(kind: FailureKind, message: str = "said") -> Observations:
    """An office whose first answer was this failure."""
    return observe_only(clocks=Failure(kind, message))


def test_a_healthy_office_passes_every_check() -> None:
    assert set(list_outcomes(WELL).values()) == {CheckOutcome.OK}
    assert make_diagnosis().is_healthy


def test_every_check_has_a_title_and_comes_once_in_its_order() -> None:
    assert list(make_diagnosis().checks) == CHECK_ORDER


@pytest.mark.parametrize("at", [CheckName.DNS, CheckName.CONNECTION, CheckName.TLS])
def test_what_keeps_us_from_the_host_is_ours_to_fix_and_ends_it(at: CheckName, golden: GoldenTexts) -> None:
    observed = observe_only(
        Connectivity("api.opendental.com", 443, secure=True, failed_at=at, message="the system says so")
    )
    found = find_check(at, observed)
    assert (found.outcome, found.owner) == (CheckOutcome.FAILED, Owner.US)
    golden.check(found.sentence)
    assert found.advice
    for name in CHECK_ORDER[CHECK_ORDER.index(at) + 1 :]:
        assert find_check(name, observed).sentence == f"Skipped: fix “{at.heading}” first."


@pytest.mark.parametrize(("kind", "place"), CHECK_BY_FAILURE.items())
def test_a_failure_is_shown_at_its_place_with_whom_it_concerns(kind: FailureKind, place: CheckName) -> None:
    observed = observe_failure(kind)
    found = find_check(place, observed)
    assert (found.outcome, found.owner, found.advice) == (CheckOutcome.FAILED, kind.owner, kind.advice)
    assert found.sentence.endswith("said.")
    assert found.message == format_failure_message(Failure(kind, "said"))
    before = [
        outcome
        for name, outcome in list_outcomes(observed).items()
        if CHECK_ORDER.index(name) < CHECK_ORDER.index(place)
    ]
    assert CheckOutcome.FAILED not in before
    after = {
        outcome
        for name, outcome in list_outcomes(observed).items()
        if CHECK_ORDER.index(name) > CHECK_ORDER.index(place)
    }
    assert after == {CheckOutcome.SKIPPED}


def test_every_kind_of_failure_either_ends_it_or_shows_that_the_office_answers() -> None:
    inside = {kind for kind in FailureKind if not is_blocking(Failure(kind))}
    assert inside >= {
        FailureKind.PERMISSION_MISSING,
        FailureKind.UNKNOWN_401,
        FailureKind.QUERY_REFUSED,
        FailureKind.SQL_ERROR,
        FailureKind.VERSION_TOO_OLD,
    }
    assert set(CHECK_BY_FAILURE.values()) <= set(NETWORK_CHECKS)


def test_a_failure_among_the_preferences_ends_it_as_well() -> None:
    observed = make_observations(preferences_failure=Failure(FailureKind.ECONNECTOR_DOWN))
    assert find_check(CheckName.ECONNECTOR, observed).outcome is CheckOutcome.FAILED
    assert find_check(CheckName.VERSION, observed).outcome is CheckOutcome.SKIPPED


def test_a_refusal_that_speaks_of_the_developer_key_alone_is_its() -> None:
    observed = observe_failure(FailureKind.KEY_REJECTED, "Invalid developer key.")
    found = find_check(CheckName.DEVELOPER_KEY, observed)
    assert (found.outcome, found.owner) == (CheckOutcome.FAILED, Owner.US)
    assert find_check(CheckName.CUSTOMER_KEY, observed).outcome is CheckOutcome.SKIPPED


def test_a_refusal_that_does_not_say_which_key_leaves_the_developer_key_open() -> None:
    observed = observe_failure(FailureKind.KEY_REJECTED, "Developer key or customer key is not valid.")
    assert find_check(CheckName.DEVELOPER_KEY, observed).outcome is CheckOutcome.SKIPPED
    assert find_check(CheckName.CUSTOMER_KEY, observed).outcome is CheckOutcome.FAILED


def test_during_a_key_rotation_the_previous_key_is_named_as_working(golden: GoldenTexts) -> None:
    who = make_checked_office(previous_key_for=timedelta(minutes=11, seconds=30))
    found = find_check(CheckName.CUSTOMER_KEY, observe_failure(FailureKind.KEY_NEVER_ACCEPTED), who)
    assert found.outcome is CheckOutcome.FAILED
    golden.check(found.sentence)
    assert (
        "previous key"
        not in find_check(CheckName.CUSTOMER_KEY, observe_failure(FailureKind.KEY_NEVER_ACCEPTED)).sentence
    )


def test_an_answer_of_another_office_shows_that_it_is_the_customer_key() -> None:
    rejected = make_diagnosis(observe_failure(FailureKind.KEY_REJECTED), "oak")
    well, found = attribute_rejected_key([make_diagnosis(), rejected])
    assert well == make_diagnosis()
    assert found.checks[CheckName.DEVELOPER_KEY].outcome is CheckOutcome.OK
    assert list(found.failed_checks) == [CheckName.CUSTOMER_KEY]


def test_a_refusal_for_every_office_makes_the_developer_key_the_likelier_one(golden: GoldenTexts) -> None:
    both = [make_diagnosis(observe_failure(FailureKind.KEY_REJECTED), office) for office in ("elm", "oak")]
    for found in attribute_rejected_key(both):
        assert next(iter(found.failed_checks)) is CheckName.DEVELOPER_KEY
        golden.check(found.failed_checks[CheckName.DEVELOPER_KEY].sentence)


def test_one_refusal_alone_says_no_more_than_it_does() -> None:
    alone = make_diagnosis(observe_failure(FailureKind.KEY_REJECTED))
    assert attribute_rejected_key([alone]) == [alone]


def test_an_address_needs_no_name_server_and_a_simulated_host_no_network() -> None:
    address = replace(REACH, host="192.0.2.1", addresses=("192.0.2.1",))
    assert "no lookup needed" in find_check(CheckName.DNS, make_observations(connectivity=address)).sentence
    assert find_check(
        CheckName.DNS, make_observations(connectivity=replace(REACH, addresses=("192.0.2.1",)))
    ).sentence.endswith("192.0.2.1.")
    nowhere = Connectivity("127.0.0.1", 80, secure=False)
    assert {list_outcomes(make_observations(connectivity=nowhere))[name] for name in NETWORK_CHECKS[:3]} == {
        CheckOutcome.SKIPPED
    }


def test_a_certificate_that_ends_soon_is_mentioned() -> None:
    assert not find_check(CheckName.TLS).advice
    soon = replace(REACH, certificate_ends_at=NOW + timedelta(days=3))
    found = find_check(CheckName.TLS, make_observations(connectivity=soon))
    assert found.outcome is CheckOutcome.OK
    assert "2026-03-06" in found.sentence
    assert found.advice
    unseen = replace(REACH, certificate_ends_at=None)
    assert find_check(CheckName.TLS, make_observations(connectivity=unseen)).outcome is CheckOutcome.SKIPPED


def test_an_office_on_its_own_network_needs_no_econnector() -> None:
    assert find_check(CheckName.ECONNECTOR, WELL, make_checked_office(remote=False)).outcome is CheckOutcome.SKIPPED


def test_what_was_not_come_to_before_the_daemon_stopped_says_so(golden: GoldenTexts) -> None:
    nothing = list_outcomes(observe_only(interrupted=True))
    assert {nothing[name] for name in CHECK_ORDER[3:]} == {CheckOutcome.SKIPPED}
    begun = make_observations(interrupted=True, preferences={})
    assert find_check(CheckName.API, begun).outcome is CheckOutcome.OK
    assert find_check(CheckName.QUERIES, begun).outcome is CheckOutcome.OK
    golden.check(find_check(CheckName.VERSION, begun).sentence)
    assert find_check(CheckName.CUSTOMER_KEY, begun).sentence == "Accepted."
    assert find_check(CheckName.API, replace(begun, seconds_per_request=0.0)).sentence == "It answers."


def test_a_diagnosis_survives_its_own_document() -> None:
    for observed in (WELL, observe_failure(FailureKind.KEY_UNASSIGNED)):
        assert parse_diagnosis(make_diagnosis_document(make_diagnosis(observed))) == make_diagnosis(observed)


PROXY = "proxy.example.com:3128"


def test_a_proxy_is_named_on_each_step_that_goes_through_it() -> None:
    observed = make_observations(connectivity=replace(REACH, proxy=PROXY))
    for name in (CheckName.DNS, CheckName.CONNECTION):
        found = find_check(name, observed)
        assert found.outcome is CheckOutcome.OK
        assert PROXY in found.sentence


@pytest.mark.parametrize("at", [CheckName.DNS, CheckName.CONNECTION])
def test_a_tunnel_that_cannot_be_opened_is_ours_and_the_proxy_s(at: CheckName) -> None:
    found = find_check(at, observe_only(replace(REACH, failed_at=at, message="HTTP 407", proxy=PROXY)))
    assert (found.outcome, found.owner, found.advice) == (CheckOutcome.FAILED, Owner.US, FailureKind.PROXY.advice)
    assert PROXY in found.sentence


def test_an_address_needs_no_lookup_and_many_addresses_are_counted() -> None:
    sentences = [
        find_check(CheckName.DNS, make_observations(connectivity=replace(REACH, addresses=addresses))).sentence
        for addresses in ((REACH.host,), ("192.0.2.1", "192.0.2.2", "192.0.2.3"))
    ]
    assert REACH.host in sentences[0]
    assert "and 2 more" in sentences[1]
