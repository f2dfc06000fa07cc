"""A sample of the corrupted inputs of `make fuzz`, the same each time."""

import pytest

from tests.hostile.fuzzer import SHARES, feed_checked, run_fuzzer
from tests.hostile.target import KEYS, FuzzTarget, Violation, assert_no_numbers, assert_texts_clean

INPUTS = 3000
SEED = 20260308
targets = pytest.mark.parametrize("target", [target for target, _ in SHARES], ids=lambda target: target.name)


@pytest.mark.parametrize("part", range(4))
def test_no_corrupted_input_breaks_a_target(part: int) -> None:
    assert run_fuzzer(INPUTS // 4, SEED, first=part * INPUTS).violations == []


@targets
def test_the_same_seed_makes_the_same_inputs(target: FuzzTarget) -> None:
    assert [target.make_input(number, 7) for number in range(20)] == [
        target.make_input(number, 7) for number in range(20)
    ]
    assert len({target.make_input(number, 7) for number in range(20)}) > 10


@targets
def test_an_empty_input_is_an_input_too(target: FuzzTarget) -> None:
    feed_checked(target, b"")


class LeakyTarget:
    """A target that reveals its whole input."""

    name = "leaky"

    def make_input(self, number: int, seed: int) -> bytes:
        return f"{seed} {number} {KEYS[0]}".encode()

    def feed(self, sent: bytes) -> list[str]:
        return [sent.decode()]


class BrokenTarget(LeakyTarget):
    def feed(self, sent: bytes) -> list[str]:
        raise KeyError(len(sent))


@pytest.mark.parametrize("target", [LeakyTarget(), BrokenTarget()])
def test_what_breaks_is_found_and_can_be_fed_again(target: FuzzTarget) -> None:
    outcome = run_fuzzer(3, 7, [(target, 1)])
    assert len(outcome.violations) == 3
    assert "--first 2 --inputs" in outcome.violations[2]


def test_numbers_and_lines_of_an_answer_are_noticed_in_a_text() -> None:
    with pytest.raises(Violation):
        assert_no_numbers("the balance 31415926 is odd", b'[{"Balance": "1,31415926"}]')
    with pytest.raises(Violation):
        assert_texts_clean(["one line\nand another"])
    assert_no_numbers("group 1000000 counted 31415926", b'[{"G": 1000000, "N": "31415926"}]')
