"""Whatever an office's side answers: it is asked ever more rarely, and no key is blamed before a GET has shown it."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache

import pytest

from oddaemon.core.failures.classify import classify_response, extract_message
from oddaemon.core.failures.failure import Failure, FailureKind
from oddaemon.core.model import Cadence, Condition, Owner, Reader
from oddaemon.core.office.machine import make_initial_state
from oddaemon.core.office.state import (
    Action,
    Failed,
    Intent,
    Observation,
    Probe,
    Probed,
    Pull,
    Started,
    Survey,
    Surveyed,
    Wait,
)
from tests.core.builders import Night, at, preferences, wish
from tests.core.failure_corpus import SAID, Said

C = Condition
NOON = at("2026-05-05 12:00")
AGED = "2026-05-05"
UNKNOWN = [said for said in SAID if {said.of_get, said.of_query} & {FailureKind.UNKNOWN_400, FailureKind.UNKNOWN_401}]
BASE_SECONDS = Cadence().backoff_base_seconds
ASKED_AN_HOUR_MAX = 20
"""In the first hour of a trouble, with the shortest waits that jitter leaves; afterwards it is eight."""
JITTERS = (0.0, 1.0)


@cache
def refusal(said: Said, *, query: bool) -> Failed:
    kind = classify_response(said.status, said.body, query=query)
    return Failed(Failure(kind, extract_message(said.body), said.status))


def at_intent(intent: Intent, reader: Reader = Reader.AUTO) -> Night:
    """An office that was fine until now, about to do this."""
    wanted = wish(reader=reader, zone=None) if intent is Intent.MEASURE_CLOCK else wish(reader=reader)
    night = Night(make_initial_state(NOON), NOON, wanted)
    night.turn(Started())
    if intent is not Intent.SURVEY:
        night.surveyed(preferences(AGED))
    if intent is Intent.PROBE:
        night.pulled()
        night.wait()
    assert night.state.intent is intent
    return night


@dataclass
class Refusing:
    """An office's side that refuses with the same words for a day; `gets` tells whether GETs are refused, too."""

    said: Said
    gets: bool
    jitter: float
    asked_at: list[datetime] = field(default_factory=list)
    waited: list[timedelta] = field(default_factory=list)

    def live(self, night: Night, hours: float = 24) -> None:
        """Let the office be asked whatever it is asked, until the time is over."""
        until = night.now + timedelta(hours=hours)
        while night.now < until:
            if isinstance(night.action, Wait):
                self.waited.append(night.action.until - night.now)
                night.wait()
            else:
                self.asked_at.append(night.now)
                night.turn(self._answer(night.action), self.jitter)

    def asked_an_hour_max(self) -> int:
        """In any sixty minutes."""
        hour = timedelta(hours=1)
        return max(sum(begin <= each < begin + hour for each in self.asked_at) for begin in self.asked_at)

    def _answer(self, action: Action) -> Observation:
        match action:
            case Survey() if not self.gets:
                return Surveyed(preferences(AGED))
            case Probe() if not self.gets:
                return Probed(AGED, "")
            case Survey() | Probe():
                return refusal(self.said, query=False)
            case _:
                return refusal(self.said, query=True)


every_intent = pytest.mark.parametrize("intent", Intent)
every_query = pytest.mark.parametrize(
    ("intent", "reader"),
    [(Intent.MEASURE_CLOCK, Reader.AUTO), *((Intent.PULL, reader) for reader in Reader)],
    ids=str,
)


@every_intent
@pytest.mark.parametrize("kind", [FailureKind.UNKNOWN_400, FailureKind.UNKNOWN_401])
@pytest.mark.parametrize("jitter", JITTERS)
def test_fifty_refusals_in_a_row_give_waits_that_grow_and_are_never_hot(
    intent: Intent, kind: FailureKind, jitter: float
) -> None:
    said = Said(400 if kind is FailureKind.UNKNOWN_400 else 401, "Error.", kind, kind)
    refusing, night = Refusing(said, gets=True, jitter=jitter), at_intent(intent)
    while len(refusing.asked_at) < 50:
        refusing.live(night, hours=0.5)
    waits = [wait.total_seconds() for wait in refusing.waited]
    if night.condition() is C.BLOCKED:
        # Slow probes at the office's own turn: at most one in each half hour.
        assert refusing.asked_an_hour_max() <= 5
        return
    growing = waits[: waits.index(max(waits)) + 1]
    assert min(waits) >= BASE_SECONDS * (1 + jitter) / 2
    assert growing == sorted(growing)
    assert refusing.asked_an_hour_max() <= ASKED_AN_HOUR_MAX


@every_intent
@pytest.mark.parametrize("gets", [True, False], ids=["everything refused", "queries refused"])
@pytest.mark.parametrize("jitter", JITTERS)
def test_what_nobody_knows_is_asked_rarely_and_said_in_the_other_sides_words(
    jitter: float, gets: bool, intent: Intent
) -> None:
    for said in UNKNOWN:
        refusing, night = Refusing(said, gets, jitter), at_intent(intent)
        refusing.live(night, hours=2)
        assert refusing.asked_an_hour_max() <= ASKED_AN_HOUR_MAX, said
        if gets or intent is not Intent.PROBE:
            standing = night.state.standing
            assert standing.condition in (C.UNREACHABLE, C.BLOCKED), said
            assert standing.owner is not None, said
            assert extract_message(said.body)[:60] in standing.reason


@every_query
@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_query_blocks_nobody_before_a_get_was_asked(status: int, intent: Intent, reader: Reader) -> None:
    for said in SAID:
        night = at_intent(intent, reader)
        night.turn(refusal(said._replace(status=status), query=True))
        assert night.condition() is not C.BLOCKED, said
        assert isinstance(night.action, Probe | Wait), said


@every_query
@pytest.mark.parametrize("body", ["", 'Query cannot contain "SCHEMA".', "API key is disabled."])
def test_the_get_behind_a_refused_query_tells_whether_the_key_is_dead(
    body: str, intent: Intent, reader: Reader
) -> None:
    said = Said(401, body, FailureKind.KEY_REJECTED, FailureKind.UNKNOWN_401)
    dead, alive = at_intent(intent, reader), at_intent(intent, reader)
    for night in (dead, alive):
        assert night.turn(refusal(said, query=True)) == Probe()
    dead.turn(refusal(said, query=False))
    assert (dead.condition(), dead.state.standing.owner) == (C.BLOCKED, Owner.OFFICE)
    alive.probed(AGED)
    if isinstance(alive.action, Pull):
        assert alive.action.reader is Reader.PAGES
        assert alive.turn(refusal(said, query=True)) == Probe()
        assert alive.condition() is not C.BLOCKED
        alive.probed(AGED)
    assert alive.condition() is C.BLOCKED
    assert "does not accept the key" not in alive.state.standing.reason


def test_a_refused_statement_that_the_configuration_insists_on_is_told_with_the_way_out() -> None:
    night = at_intent(Intent.PULL, Reader.STATEMENT)
    night.turn(
        refusal(
            Said(401, 'Query cannot contain "MAX".', FailureKind.KEY_REJECTED, FailureKind.QUERY_REFUSED), query=True
        )
    )
    night.probed(AGED)
    standing = night.state.standing
    assert (standing.condition, standing.owner, standing.letter) == (C.BLOCKED, Owner.US, "")
    assert 'reader = "auto"' in standing.advice
    assert 'Query cannot contain "MAX".' in standing.reason


def test_nothing_that_is_no_success_publishes_anything() -> None:
    for said in SAID:
        for intent in (Intent.SURVEY, Intent.PULL):
            night = at_intent(intent)
            night.turn(refusal(said, query=intent is Intent.PULL))
            assert night.state.published is None
            assert night.condition() is not C.FRESH
