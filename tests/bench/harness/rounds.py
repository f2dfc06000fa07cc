"""Comparisons: every variant once a round, so that what slows the machine for a while slows all of them."""

from collections.abc import Callable, Generator, Mapping
from typing import TypeVar

from tests.bench.harness.figure import Step

T = TypeVar("T")


def interleave(
    variants: Mapping[str, Callable[[], T]], rounds: int, *, warm_ups: int = 0
) -> Generator[Step, None, dict[str, list[T]]]:
    """Measure A, B, A, B, and so on.

    Args:
        variants: What measures once, by the name of what it measures.
        rounds: How often each is measured.
        warm_ups: Rounds before these, which do not count.

    Returns:
        The measurements of each variant, in the order of the rounds.
    """
    found: dict[str, list[T]] = {name: [] for name in variants}
    for number in range(-warm_ups, rounds):
        for place, (name, measure) in enumerate(variants.items()):
            yield Step(name, (number + warm_ups) * len(variants) + place, (rounds + warm_ups) * len(variants))
            value = measure()
            if number >= 0:
                found[name].append(value)
    return found
