"""Whatever an office's side answers: it is asked ever more rarely, and no key is blamed before a GET has shown it."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache

import pytest

from oddaemon.core.failures.classify import classify_response, extract_message
from oddaemon.core.failures.failure import Failure, FailureKind
from oddaemon.core.model import AgingMark, Cadence, Condition, Owner, Reader
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
from tests.core.builders import OfficeRun, make_instant, make_preferences, make_spec
from tests.core.failures.response_corpus import RESPONSES, CorpusResponse

C = Condition
NOON = make_instant("2026-05-05 12:00")
AGED = "2026-05-05"
UNKNOWN = [
    said for said in RESPONSES if {said.get_kind, said.query_kind} & {FailureKind.UNKNOWN_400, FailureKind.UNKNOWN_401}
]
BASE_SECONDS = Cadence().backoff_base_seconds
ASKED_AN_HOUR_MAX = 20
"""In the first hour of a trouble, with the shortest waits that jitter leaves; afterwards it is eight."""
JITTERS = (0.0, 1.0)


@cache
def make_failed(response: CorpusResponse, *, query: bool) -> Failed:
    kind = classify_response(response.status, response.body, query=query)
    return Failed(Failure(kind, extract_message(response.body), response.status))


def make_office_at(intent: Intent, reader: Reader = Reader.AUTO) -> OfficeRun:
    """An office that was fine until now, about to do this."""
    wanted = make_spec(reader=reader, zone=None) if intent is Intent.MEASURE_CLOCK else make_spec(reader=reader)
    night = OfficeRun(make_initial_state(NOON), NOON, wanted)
    night.observe(Started())
    if intent is not Intent.SURVEY:
        night.answer_survey(make_preferences(AGED))
    if intent is Intent.PROBE:
        night.answer_pull()
        night.sleep_and_wake()
    assert night.state.intent is intent
    return night


@dataclass
class RejectingOffice:
    """An office's side that refuses with the same words for a day; `gets`: GETs are refused, too."""

    response: CorpusResponse
    rejects_gets: bool
    jitter: float
    asked_at: list[datetime] = field(default_factory=list)
    waits: list[timedelta] = field(default_factory=list)

    def run(self, night: OfficeRun, hours: float = 24) -> None:
        """Let the office be asked whatever it is asked, until the time is over."""
        until = night.now + timedelta(hours=hours)
        while night.now < until:
            if isinstance(night.action, Wait):
                self.waits.append(night.action.until - night.now)
                night.sleep_and_wake()
            else:
                self.asked_at.append(night.now)
                night.observe(self._respond(night.action), self.jitter)

    def count_hourly_requests_max(self) -> int:
        """In any sixty minutes."""
        hour = timedelta(hours=1)
        return max(sum(begin <= each < begin + hour for each in self.asked_at) for begin in self.asked_at)

    def _respond(self, action: Action) -> Observation:
        match action:
            case Survey() if not self.rejects_gets:
                return Surveyed(make_preferences(AGED))
            case Probe() if not self.rejects_gets:
                return Probed(AgingMark(AGED, ""))
            case Survey() | Probe():
                return make_failed(self.response, query=False)
            case _:
                return make_failed(self.response, query=True)


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
    response = CorpusResponse(400 if kind is FailureKind.UNKNOWN_400 else 401, "Error.", kind, kind)
    refusing, night = RejectingOffice(response, rejects_gets=True, jitter=jitter), make_office_at(intent)
    while len(refusing.asked_at) < 50:
        refusing.run(night, hours=0.5)
    waits = [wait.total_seconds() for wait in refusing.waits]
    if night.get_condition() is C.BLOCKED:
        # Slow probes at the office's own turn: at most one in each half hour.
        assert refusing.count_hourly_requests_max() <= 5
        return
    growing = waits[: waits.index(max(waits)) + 1]
    assert min(waits) >= BASE_SECONDS * (1 + jitter) / 2
    assert growing == sorted(growing)
    assert refusing.count_hourly_requests_max() <= ASKED_AN_HOUR_MAX


@every_intent
@pytest.mark.parametrize("gets", [True, False], ids=["everything refused", "queries refused"])
@pytest.mark.parametrize("jitter", JITTERS)
def test_unknown_errors_are_retried_rarely_and_quoted(jitter: float, gets: bool, intent: Intent) -> None:
    for response in UNKNOWN:
        refusing, night = RejectingOffice(response, gets, jitter), make_office_at(intent)
        refusing.run(night, hours=2)
        assert refusing.count_hourly_requests_max() <= ASKED_AN_HOUR_MAX, response
        if gets or intent is not Intent.PROBE:
            status = night.state.standing
            assert status.condition in (C.UNREACHABLE, C.BLOCKED), response
            assert status.owner is not None, response
            assert extract_message(response.body)[:60] in status.reason


@every_query
@pytest.mark.parametrize("status", [401, 403])
def test_a_rejected_query_blocks_no_office_before_a_get_was_sent(status: int, intent: Intent, reader: Reader) -> None:
    for response in RESPONSES:
        night = make_office_at(intent, reader)
        night.observe(make_failed(response._replace(status=status), query=True))
        assert night.get_condition() is not C.BLOCKED, response
        assert isinstance(night.action, Probe | Wait), response


@every_query
@pytest.mark.parametrize("body", ["", 'Query cannot contain "SCHEMA".', "API key is disabled."])
def test_the_get_after_a_rejected_query_shows_whether_the_key_is_dead(
    body: str, intent: Intent, reader: Reader
) -> None:
    response = CorpusResponse(401, body, FailureKind.KEY_REJECTED, FailureKind.UNKNOWN_401)
    dead, alive = make_office_at(intent, reader), make_office_at(intent, reader)
    for night in (dead, alive):
        assert night.observe(make_failed(response, query=True)) == Probe()
    dead.observe(make_failed(response, query=False))
    assert (dead.get_condition(), dead.state.standing.owner) == (C.BLOCKED, Owner.OFFICE)
    alive.answer_probe(AGED)
    if isinstance(alive.action, Pull):
        assert alive.action.reader is Reader.PAGES
        assert alive.observe(make_failed(response, query=True)) == Probe()
        assert alive.get_condition() is not C.BLOCKED
        alive.answer_probe(AGED)
    assert alive.get_condition() is C.BLOCKED
    assert "does not accept the key" not in alive.state.standing.reason


def test_a_rejected_statement_that_is_configured_is_reported_with_the_way_out() -> None:
    night = make_office_at(Intent.PULL, Reader.STATEMENT)
    night.observe(
        make_failed(
            CorpusResponse(401, 'Query cannot contain "MAX".', FailureKind.KEY_REJECTED, FailureKind.QUERY_REFUSED),
            query=True,
        )
    )
    night.answer_probe(AGED)
    status = night.state.standing
    assert (status.condition, status.owner, status.letter) == (C.BLOCKED, Owner.US, "")
    assert 'reader = "auto"' in status.advice
    assert 'Query cannot contain "MAX".' in status.reason


def test_nothing_that_is_no_success_publishes_anything() -> None:
    for response in RESPONSES:
        for intent in (Intent.SURVEY, Intent.PULL):
            night = make_office_at(intent)
            night.observe(make_failed(response, query=intent is Intent.PULL))
            assert night.state.published is None
            assert night.get_condition() is not C.FRESH
