"""When the daemon is killed: values with a short text, so that one of them can be named on a command line.

    request/7         the moment its 7th request arrives, before any answer
    body/7/0.5        after the head and half of the body of the 7th answer
    answer/7/0.004    4 ms after the last byte of the 7th answer, which is before the next one could come
    before/5          in front of its 5th commit
    after/5           behind it
    start/0.31        0.31 s after the process began
    work/7/0.020      20 ms after its 7th request arrived, while it goes on

Numbers count within one life of the daemon. A life that ends its story sooner is not killed.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class KillTrigger(StrEnum):
    """What a kill waits for."""

    REQUEST = "request"
    BODY = "body"
    ANSWER = "answer"
    BEFORE = "before"
    AFTER = "after"
    START = "start"
    WORK = "work"


COMMITS = frozenset({KillTrigger.BEFORE, KillTrigger.AFTER})
SHARES_OF_BODY = (0.0, 0.5, 1.0)
"""Of a body that was sent when the kill comes; 1: all but its last byte."""
AFTER_ANSWER_SECONDS_MAX = 0.01
"""What the daemon does with an answer takes a few milliseconds."""
WORK_SECONDS_MAX = 0.15
START_SECONDS_MAX = 1.5
"""Longer than the daemon takes to its first request on a machine with nothing else to do."""


@dataclass(frozen=True)
class KillPoint:
    """One SIGKILL.

    Attributes:
        moment: What it waits for.
        number: The how-manieth request, answer or commit of this life, from 1; 0 for START.
        share: Of the body, for BODY.
        seconds: After that, for ANSWER, START and WORK.
    """

    trigger: KillTrigger
    number: int = 0
    share: float = 0.0
    seconds: float = 0.0

    def __str__(self) -> str:
        match self.trigger:
            case KillTrigger.BODY:
                return f"{self.trigger}/{self.number}/{self.share:g}"
            case KillTrigger.ANSWER | KillTrigger.WORK:
                return f"{self.trigger}/{self.number}/{self.seconds:.4f}"
            case KillTrigger.START:
                return f"{self.trigger}/{self.seconds:.3f}"
            case _:
                return f"{self.trigger}/{self.number}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The inverse of `str`.

        Raises:
            ValueError: it is none.
        """
        name, *numbers = text.split("/")
        trigger = KillTrigger(name)
        if trigger is KillTrigger.START:
            (seconds,) = numbers
            return cls(trigger, seconds=float(seconds))
        number, *rest = numbers
        (fraction,) = rest or ["0"]
        if trigger is KillTrigger.BODY:
            return cls(trigger, int(number), share=float(fraction))
        return cls(trigger, int(number), seconds=float(fraction))


def iterate_boundaries(requests: int, commits: int, rng: random.Random) -> Iterator[KillPoint]:
    """Every boundary of a life with this number of requests and commits."""
    for number in range(1, requests + 1):
        yield KillPoint(KillTrigger.REQUEST, number)
        yield KillPoint(KillTrigger.BODY, number, share=rng.choice(SHARES_OF_BODY))
        yield KillPoint(KillTrigger.ANSWER, number, seconds=round(rng.uniform(0.0, AFTER_ANSWER_SECONDS_MAX), 4))
    for number in range(1, commits + 1):
        yield KillPoint(KillTrigger.BEFORE, number)
        yield KillPoint(KillTrigger.AFTER, number)


def draw_random_kill(requests: int, rng: random.Random) -> KillPoint:
    """Some instant of a life with this number of requests: while it starts, or while it works."""
    if rng.random() < 1 / 3:
        return KillPoint(KillTrigger.START, seconds=round(rng.uniform(0.0, START_SECONDS_MAX), 3))
    return KillPoint(KillTrigger.WORK, rng.randint(1, requests), seconds=round(rng.uniform(0.0, WORK_SECONDS_MAX), 4))
