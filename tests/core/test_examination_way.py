"""From here to the office: each failure is shown where it happened, and nothing after it is tried."""

from dataclasses import replace
from datetime import timedelta

import pytest

from oddaemon.core.examination import Outcome, Reach, Seen, StepName, told_apart
from oddaemon.core.examination_document import examination_document, examination_of
from oddaemon.core.examination_way import PLACES, TITLES, WAY, ends_it
from oddaemon.core.failure import RULES, Failure, Kind
from oddaemon.core.letters import letter_about
from oddaemon.core.model import Owner
from tests.core.examinations import NOW, REACH, WELL, examination, outcomes, patient, seen, step

ORDER = list(StepName)


def refused(kind: Kind, message: str = "said") -> Seen:
    """An office whose first answer was this failure."""
    return Seen(NOW, REACH, clocks=Failure(kind, message))


def test_an_office_in_which_all_is_well_has_no_step_that_is_not() -> None:
    assert set(outcomes(WELL).values()) == {Outcome.OK}
    assert examination().is_well


def test_every_step_has_a_title_and_comes_once_in_its_order() -> None:
    assert [each.name for each in examination().steps] == ORDER == list(TITLES)


@pytest.mark.parametrize("at", [StepName.NAME, StepName.CONNECTION, StepName.TLS])
def test_what_keeps_us_from_the_host_is_ours_to_mend_and_ends_it(at: StepName) -> None:
    observed = Seen(NOW, Reach("api.opendental.com", 443, secure=True, failed_at=at, message="the system says so"))
    found = step(at, observed)
    assert (found.outcome, found.owner) == (Outcome.WRONG, Owner.US)
    assert "the system says so" in found.sentence
    assert found.advice
    for name in ORDER[ORDER.index(at) + 1 :]:
        assert step(name, observed).sentence == f"Not tried: “{TITLES[at]}” comes first."


@pytest.mark.parametrize(("kind", "place"), PLACES.items())
def test_a_failure_is_shown_at_its_place_with_whom_it_concerns(kind: Kind, place: StepName) -> None:
    observed = refused(kind)
    found = step(place, observed)
    assert (found.outcome, found.owner, found.advice) == (Outcome.WRONG, RULES[kind].owner, RULES[kind].advice)
    assert found.sentence.endswith("said.")
    assert found.letter == letter_about(Failure(kind, "said"))
    before = [outcome for name, outcome in outcomes(observed).items() if ORDER.index(name) < ORDER.index(place)]
    assert Outcome.WRONG not in before
    after = {outcome for name, outcome in outcomes(observed).items() if ORDER.index(name) > ORDER.index(place)}
    assert after == {Outcome.UNTOLD}


def test_every_kind_of_failure_either_ends_it_or_shows_that_the_office_answers() -> None:
    inside = {kind for kind in Kind if not ends_it(Failure(kind))}
    assert inside >= {
        Kind.PERMISSION_MISSING,
        Kind.UNKNOWN_401,
        Kind.QUERY_REFUSED,
        Kind.SQL_ERROR,
        Kind.VERSION_TOO_OLD,
    }
    assert set(PLACES.values()) <= set(WAY)


def test_a_failure_among_the_preferences_ends_it_as_well() -> None:
    observed = seen(preferences_failure=Failure(Kind.ECONNECTOR_DOWN))
    assert step(StepName.ECONNECTOR, observed).outcome is Outcome.WRONG
    assert step(StepName.VERSION, observed).outcome is Outcome.UNTOLD


def test_a_refusal_that_speaks_of_the_developer_key_alone_is_its() -> None:
    observed = refused(Kind.KEY_REJECTED, "Invalid developer key.")
    found = step(StepName.DEVELOPER_KEY, observed)
    assert (found.outcome, found.owner) == (Outcome.WRONG, Owner.US)
    assert step(StepName.CUSTOMER_KEY, observed).outcome is Outcome.UNTOLD


def test_a_refusal_that_does_not_say_which_key_leaves_the_developer_key_open() -> None:
    observed = refused(Kind.KEY_REJECTED, "Developer key or customer key is not valid.")
    assert step(StepName.DEVELOPER_KEY, observed).outcome is Outcome.UNTOLD
    assert step(StepName.CUSTOMER_KEY, observed).outcome is Outcome.WRONG


def test_while_a_changed_key_is_on_trial_it_is_said_that_the_former_one_does_its_work() -> None:
    who = patient(former_key_for=timedelta(minutes=11, seconds=30))
    found = step(StepName.CUSTOMER_KEY, refused(Kind.KEY_NEVER_ACCEPTED), who)
    assert found.outcome is Outcome.WRONG
    assert "the former one is used for another 12 min, then the office is blocked." in found.sentence
    assert "former" not in step(StepName.CUSTOMER_KEY, refused(Kind.KEY_NEVER_ACCEPTED)).sentence


def test_an_answer_of_another_office_shows_that_it_is_the_customer_key() -> None:
    rejected = examination(refused(Kind.KEY_REJECTED), "oak")
    well, found = told_apart([examination(), rejected])
    assert well == examination()
    assert found.steps[ORDER.index(StepName.DEVELOPER_KEY)].outcome is Outcome.OK
    assert [each.name for each in found.wrong] == [StepName.CUSTOMER_KEY]


def test_a_refusal_for_every_office_makes_the_developer_key_the_likelier_one() -> None:
    both = [examination(refused(Kind.KEY_REJECTED), office) for office in ("elm", "oak")]
    for found in told_apart(both):
        assert found.wrong[0].name is StepName.DEVELOPER_KEY
        assert "for none of 2 offices" in found.wrong[0].sentence


def test_one_refusal_alone_says_no_more_than_it_does() -> None:
    alone = examination(refused(Kind.KEY_REJECTED))
    assert told_apart([alone]) == [alone]


def test_an_address_needs_no_name_server_and_a_simulated_host_no_network() -> None:
    address = replace(REACH, host="192.0.2.1", addresses=("192.0.2.1",))
    assert "nothing to look up" in step(StepName.NAME, seen(reach=address)).sentence
    assert step(StepName.NAME, seen(reach=replace(REACH, addresses=("192.0.2.1",)))).sentence.endswith("192.0.2.1.")
    nowhere = Reach("127.0.0.1", 80, secure=False)
    assert {outcomes(seen(reach=nowhere))[name] for name in WAY[:3]} == {Outcome.UNTOLD}


def test_a_certificate_that_ends_soon_is_mentioned() -> None:
    assert not step(StepName.TLS).advice
    soon = replace(REACH, certificate_ends_at=NOW + timedelta(days=3))
    found = step(StepName.TLS, seen(reach=soon))
    assert found.outcome is Outcome.OK
    assert "2026-03-06" in found.sentence
    assert found.advice
    unseen = replace(REACH, certificate_ends_at=None)
    assert step(StepName.TLS, seen(reach=unseen)).outcome is Outcome.UNTOLD


def test_an_office_on_its_own_network_needs_no_econnector() -> None:
    assert step(StepName.ECONNECTOR, WELL, patient(remote=False)).outcome is Outcome.UNTOLD


def test_what_was_not_come_to_before_the_daemon_stopped_says_so() -> None:
    nothing = outcomes(Seen(NOW, REACH, interrupted=True))
    assert {nothing[name] for name in ORDER[3:]} == {Outcome.UNTOLD}
    begun = seen(interrupted=True, preferences={})
    assert step(StepName.API, begun).outcome is Outcome.OK
    assert step(StepName.QUERIES, begun).outcome is Outcome.OK
    assert step(StepName.VERSION, begun).sentence == "Not tried: the daemon stopped first."
    assert step(StepName.CUSTOMER_KEY, begun).sentence == "It is let in."
    assert step(StepName.API, replace(begun, seconds_a_request=0.0)).sentence == "It answers."


def test_an_examination_survives_its_own_document() -> None:
    for observed in (WELL, refused(Kind.KEY_UNASSIGNED)):
        assert examination_of(examination_document(examination(observed))) == examination(observed)
