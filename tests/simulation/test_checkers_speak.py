"""A checker that cannot fail is worth nothing: here each is shown what it must not let pass."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import anyio
import pytest

from oddaemon.core.model import Balance, Cadence, Condition
from oddaemon.simulator.api.messages import Endpoint
from oddaemon.simulator.faults.faults import EConnectorDown, FaultWindow, GatewayError, ScheduledFault
from oddaemon.simulator.headquarters.traffic_log import RecordedRequest
from tests.simulation import neighbours
from tests.simulation.checkers import delivery, discretion, leftovers, manners, truth
from tests.simulation.chronicle import Called, Chronicle, Finding
from tests.simulation.play import Outcome, Told, play
from tests.simulation.request_troubles import HEADQUARTERS_DOWN
from tests.simulation.small_stories import DUE, ELM, EVENING, FIR, OAK, member, story
from tests.simulation.stage import Stage
from tests.simulation.troubles import Reach, Trouble, blame

Meddle = Callable[[Stage], Awaitable[None]]


@contextmanager
def _meddling(meddle: Meddle) -> Iterator[None]:
    """Somebody does this to the stage once its story has been performed, just before everything is put right."""
    performed = Stage.perform

    async def perform(self: Stage) -> None:
        await performed(self)
        await meddle(self)

    Stage.perform = perform  # type: ignore[method-assign]  # the world is broken on purpose
    try:
        yield
    finally:
        Stage.perform = performed  # type: ignore[method-assign]  # and mended


def _speaks(outcome: Outcome, checker: str, *words: str) -> bool:
    found = [str(finding) for finding in outcome.findings if finding.checker == checker]
    assert any(all(word in sentence for word in words) for sentence in found), outcome.findings
    return True


def test_a_quiet_story_leaves_nothing_to_say() -> None:
    outcome = play(story(members=(member(ELM), member(OAK, zone="America/New_York"))))
    assert outcome.findings == ()
    assert [str(told.row.aging_date) for told in outcome.published[ELM]] == ["2026-05-11", "2026-05-13"]
    assert outcome.failures == {}


# --- truth ------------------------------------------------------------------------------------------------------------


async def _published(stage: Stage) -> None:
    await stage.world.until_published(1, ELM)


def _one_cent_more(held: truth.Held) -> truth.Held:
    first, *others = held.balances
    return replace(held, balances=[first._replace(bal_total=first.bal_total + 1), *others])


ALTERED: list[Callable[[truth.Held], truth.Held]] = [
    _one_cent_more,
    lambda held: replace(held, balances=held.balances[1:]),
    lambda held: replace(held, balances=[*held.balances, Balance(1, 0, 0, 0, 0, 0, 0, 0, 100)]),
    lambda held: replace(held, balances=[]),
    lambda held: replace(held, row=replace(held.row, aging_date=held.row.aging_date + timedelta(days=1))),
    lambda held: replace(held, latest=held.earliest),
]


@pytest.mark.parametrize("alter", ALTERED)
def test_a_snapshot_that_is_not_true_is_found(alter: Callable[[truth.Held], truth.Held]) -> None:
    with _judged(lambda held: [held[0], alter(held[1])]):
        assert _speaks(play(story()), truth.TRUTH, ELM, "was true at no instant after that run")


def test_a_snapshot_of_another_office_is_found() -> None:
    others = play(story(members=(member(OAK),))).published[OAK][-1].balances
    with _judged(lambda held: [held[0], replace(held[1], balances=others)]):
        assert _speaks(play(story()), truth.TRUTH, ELM)


def test_the_balances_of_the_former_run_under_the_date_of_the_next_are_found() -> None:
    with _judged(lambda held: [held[0], replace(held[1], balances=held[0].balances)]):
        assert _speaks(play(story()), truth.TRUTH, ELM)


def test_a_run_that_is_published_twice_is_found() -> None:
    with _judged(lambda held: [*held, held[-1]]):
        assert _speaks(play(story()), truth.ONCE, ELM, "is a second one")


@contextmanager
def _judged(alter: Callable[[list[truth.Held]], list[truth.Held]]) -> Iterator[None]:
    """The database holds something else than what was published."""
    judge = truth.judge

    def altered(practice: object, snapshots: list[truth.Held], *others: object, **named: object) -> None:
        judge(practice, alter(list(snapshots)), *others, **named)  # type: ignore[arg-type]  # handed on as it came

    truth.judge = altered  # type: ignore[assignment]  # the world is broken on purpose
    try:
        yield
    finally:
        truth.judge = judge


# --- delivery ---------------------------------------------------------------------------------------------------------


def test_a_run_that_is_never_published_is_found() -> None:
    async def lose(stage: Stage) -> None:
        stage.chronicle.publications[ELM].clear()
        delivery.look(stage)

    with _meddling(lose):
        assert _speaks(play(story()), delivery.OWED, ELM, "is not published although all has been well")


def test_an_office_that_does_not_recover_is_found() -> None:
    async def put_right_in_vain(stage: Stage) -> None:
        stage.headquarters.faults.clear = lambda: None  # type: ignore[method-assign]  # the world stays broken

    down = ScheduledFault(EConnectorDown(), frozenset({ELM}), FaultWindow(DUE))
    with _meddling(put_right_in_vain):
        outcome = play(story(_standing(down, "eConnector")))
    assert _speaks(outcome, delivery.RECOVERED, ELM, "is not published", "unreachable")


@pytest.mark.parametrize(("words", "is_found"), [("eConnector", False), ("the moon", True)])
def test_a_trouble_that_is_called_something_else_is_found(words: str, is_found: bool) -> None:
    down = ScheduledFault(EConnectorDown(), frozenset({ELM}), FaultWindow(DUE))
    outcome = play(story(_standing(down, words)))
    assert [finding.checker for finding in outcome.findings] == [delivery.NAMED] * is_found


def test_an_excuse_that_is_over_is_none() -> None:
    """The office is down for good, the trouble that is told of only until three in the morning."""
    down = ScheduledFault(EConnectorDown(), frozenset({ELM}), FaultWindow(DUE))
    trouble = replace(_standing(down, "eConnector"), ends=DUE + 3600.0)
    assert _speaks(play(story(trouble)), delivery.OWED, ELM, "unreachable")


def _standing(planted: ScheduledFault, words: str) -> Trouble:
    begins = float(planted.window.begins)  # type: ignore[arg-type]  # seconds, in these stories
    said = (blame(words, Condition.UNREACHABLE, Condition.BLOCKED),)
    return Trouble("down", tuple(planted.office_ids), begins, 1e9, Reach.EVERYTHING, (planted,), blames=said)


# --- manners ----------------------------------------------------------------------------------------------------------


def _exchange(at: float, office_id: str = ELM, seconds: float = 0.1, status: int | None = 200) -> RecordedRequest:
    return RecordedRequest(
        key=office_id,
        office_id=office_id,
        method="GET",
        kind=Endpoint.PREFERENCES,
        arrived=EVENING + timedelta(seconds=at),
        arrived_seconds=at,
        started_seconds=at,
        finished_seconds=at + seconds,
        status=status,
    )


def test_a_request_too_many_is_found() -> None:
    async def ask_twice(stage: Stage) -> None:
        stage.headquarters.traffic.append(replace(stage.headquarters.traffic[-1], spacing_seconds=1.0))

    with _meddling(ask_twice):
        assert _speaks(play(story()), manners.POLITE, "in flight")


def _chronicle(*called: Called) -> Chronicle:
    chronicle = Chronicle(lambda: 100_000.0)
    chronicle.called[ELM] += called
    chronicle.lives.append((0.0, None))
    return chronicle


@pytest.mark.parametrize(("every_seconds", "is_found"), [(1800.0, False), (600.0, True), (60.0, True)])
def test_a_blocked_office_that_is_asked_often_is_found(every_seconds: float, is_found: bool) -> None:
    chronicle = _chronicle(Called(0.0, Condition.BLOCKED), Called(40_000.0, Condition.FRESH))
    own = [_exchange(number * every_seconds) for number in range(int(40_000 / every_seconds))]
    manners.slow_probes(ELM, own, chronicle, Cadence(), 50_000.0)
    assert [finding.checker for finding in chronicle.findings] == [manners.SLOW_PROBES] * is_found


def test_a_hot_loop_within_one_look_is_found() -> None:
    chronicle = _chronicle(Called(0.0, Condition.BLOCKED))
    own = [_exchange(1000.0 + number) for number in range(250)]
    manners.slow_probes(ELM, own, chronicle, Cadence(), 50_000.0)
    assert "250 requests in one look" in chronicle.findings[0].sentence


OUTAGE = Trouble(
    HEADQUARTERS_DOWN,
    (ELM, OAK, FIR),
    0.0,
    4000.0,
    Reach.EVERYTHING,
    (ScheduledFault(GatewayError(503), frozenset({ELM, OAK, FIR}), FaultWindow(0.0, 4000.0)),),
)


@pytest.mark.parametrize(
    ("trials", "is_found"),
    [
        ([5.0 + 60 * number for number in range(60)], False),
        ([5.0 + 20 * number for number in range(190)], True),
        ([5.0, 5.1, 5.2, 5.3, 5.4, 5.5] + [200.0 + 60 * number for number in range(61)], True),
    ],
)
def test_an_outage_that_everybody_probes_is_found(trials: list[float], is_found: bool) -> None:
    first = [_exchange(10.0 + number, office, status=503) for number, office in enumerate((ELM, OAK, FIR))]
    chronicle = _chronicle()
    manners.one_by_one(OUTAGE, [*first, *(_exchange(20.0 + at, OAK, status=503) for at in trials)], chronicle)
    assert [finding.checker for finding in chronicle.findings] == [manners.ONE_BY_ONE] * is_found


def test_two_trials_at_once_are_found() -> None:
    first = [_exchange(10.0 + number, office, status=503) for number, office in enumerate((ELM, OAK, FIR))]
    chronicle = _chronicle()
    manners.one_by_one(OUTAGE, [*first, _exchange(100.0, ELM, 70.0), _exchange(130.0, OAK, 1.0)], chronicle)
    assert chronicle.findings[0].sentence.startswith("two trials in flight")


# --- discretion -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("a key", "planted-customer-key-office-1"),
        ("a row of balances", "433000001,0,1,2,3"),
        ("a PatNum", "PatNum {pat_num} is odd"),
        ("an amount", "the total is {cents} cents"),
        ("an amount", "he owes {dollars}"),
    ],
)
def test_what_is_told_and_should_not_be_is_found(what: str, told: str) -> None:
    async def tell(stage: Stage) -> None:
        balance = max(stage.practices[ELM].get_true_balances(), key=lambda each: each.bal_total)
        dollars = f"{balance.bal_total / 100:.2f}"
        text = told.format(pat_num=balance.pat_num, cents=balance.bal_total, dollars=dollars)
        stage.world.lines.append({"event": "oddity", "message": text})
        discretion.judge(stage)

    with _meddling(tell):
        assert _speaks(play(story()), discretion.DISCREET, what)


# --- what is left -----------------------------------------------------------------------------------------------------


def test_a_file_that_stays_open_is_found(tmp_path: Path) -> None:
    chronicle = Chronicle(lambda: 0.0)

    async def leave() -> None:
        before = leftovers.Baseline.now()
        with (tmp_path / "left").open("w"):
            leftovers.judge(before, leftovers.Baseline.now(), [], chronicle)

    anyio.run(leave)
    assert "left" in chronicle.findings[0].sentence


def test_a_task_that_stays_is_found() -> None:
    chronicle = Chronicle(lambda: 0.0)

    async def leave() -> None:
        before = leftovers.Baseline.now()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.sleep_forever, name="forgotten")
            leftovers.judge(before, leftovers.Baseline.now(), [], chronicle)
            tasks.cancel_scope.cancel()

    anyio.run(leave)
    assert "forgotten" in chronicle.findings[0].sentence


# --- neighbours -------------------------------------------------------------------------------------------------------


def _later(told: Told) -> Told:
    return replace(told, published_seconds=told.published_seconds + 90)


def _told(outcome: Outcome) -> tuple[Told, ...]:
    return outcome.published[ELM]


CHANGED: list[tuple[str, Callable[[tuple[Told, ...]], tuple[Told, ...]]]] = [
    ("published", lambda told: told[:1]),
    (
        "came +90.0 s later",
        lambda told: (_later(told[0]), *told[1:]),
    ),
    ("has other balances", lambda told: (replace(told[0], balances=told[1].balances), *told[1:])),
]


@pytest.mark.parametrize(("words", "change"), CHANGED)
def test_a_neighbour_that_suffers_is_found(words: str, change: Callable[[tuple[Told, ...]], tuple[Told, ...]]) -> None:
    sick = replace(story(members=(member(ELM), member(OAK))), sick=OAK)
    outcome = play(sick)
    assert list(neighbours.compare(outcome)) == []
    changed = replace(outcome, published={**outcome.published, ELM: change(_told(outcome))})
    (found,) = neighbours.compare(changed)
    assert isinstance(found, Finding)
    assert words in found.sentence


def test_dates_of_the_two_worlds_are_compared_as_they_are() -> None:
    outcome = play(story())
    assert [told.row.aging_date for told in _told(outcome)] == [date(2026, 5, 11), date(2026, 5, 13)]
