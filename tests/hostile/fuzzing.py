"""Feeds inputs to the doors and holds them to their limits."""

import faulthandler
import resource
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.hostile.configuration import Configuration
from tests.hostile.parser import Bodies, Refusals, Rows
from tests.hostile.target import Target, check_texts

SECONDS_MAX = 2.0
"""CPU time that one input may take."""
HANG_SECONDS = 60.0
"""Wall time after which the process is ended with a traceback of where it hangs."""
GROWTH_BYTES_MAX = 256 * 2**20
"""How much the process's largest size may grow over a whole run."""
VIOLATIONS_MAX = 10
SHARES: Sequence[tuple[Target, int]] = ((Rows(), 55), (Refusals(), 20), (Bodies(), 10), (Configuration(), 15))
"""How many of a hundred inputs each door gets."""


@dataclass(slots=True)
class Outcome:
    """What a run has shown."""

    fed: dict[str, int] = field(default_factory=dict)
    slowest_seconds: dict[str, float] = field(default_factory=dict)
    growth_bytes: int = 0
    violations: list[str] = field(default_factory=list)


def fuzz(inputs: int, seed: int, shares: Sequence[tuple[Target, int]] = SHARES, first: int = 0) -> Outcome:
    """Feed inputs; ends early once there are enough violations to look at."""
    outcome = Outcome()
    whole = sum(share for _, share in shares)
    before = _largest_bytes()
    for target, share in shares:
        for number in range(first, first + max(1, inputs * share // whole)):
            if len(outcome.violations) >= VIOLATIONS_MAX:
                return outcome
            _feed(target, number, seed, outcome)
    outcome.growth_bytes = _largest_bytes() - before
    if outcome.growth_bytes > GROWTH_BYTES_MAX:
        outcome.violations.append(f"memory grew by {outcome.growth_bytes / 2**20:.0f} MB")
    return outcome


def checked(target: Target, sent: bytes) -> None:
    """Feed one input; raises whatever it breaks."""
    check_texts(target.fed(sent))


def _feed(target: Target, number: int, seed: int, outcome: Outcome) -> None:
    sent = target.made(number, seed)
    faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
    started = time.process_time()
    try:
        checked(target, sent)
    except Exception:  # noqa: BLE001  whatever comes is what is looked for
        outcome.violations.append(_told(target, number, seed, sent, traceback.format_exc()))
    finally:
        faulthandler.cancel_dump_traceback_later()
    seconds = time.process_time() - started
    outcome.fed[target.name] = outcome.fed.get(target.name, 0) + 1
    outcome.slowest_seconds[target.name] = max(seconds, outcome.slowest_seconds.get(target.name, 0.0))
    if seconds > SECONDS_MAX:
        outcome.violations.append(_told(target, number, seed, sent, f"took {seconds:.1f} s"))


def _told(target: Target, number: int, seed: int, sent: bytes, what: str) -> str:
    replay = f"python -m tests.hostile --only {target.name} --seed {seed} --first {number} --inputs 1"
    return f"{what}\n  input ({len(sent)} bytes): {sent[:200]!r}\n  again: {replay}"


def _largest_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def report(outcome: Outcome, write: Callable[[str], None]) -> None:
    """A line for each door, then whatever was broken."""
    for name, count in outcome.fed.items():
        write(f"{name:<14} {count:>7} inputs, the slowest took {outcome.slowest_seconds[name] * 1000:.0f} ms")
    write(f"memory grew by {outcome.growth_bytes / 2**20:.0f} MB, {len(outcome.violations)} violations")
    for violation in outcome.violations:
        write(violation)
