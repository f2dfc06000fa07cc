"""Feeds inputs to the targets and checks their limits."""

import faulthandler
import resource
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.hostile.config_loader import ConfigTarget
from tests.hostile.night_target import NightsTarget
from tests.hostile.peer_clients import PeersTarget
from tests.hostile.postgres.delivery import PostgresTarget
from tests.hostile.response_parser import BodiesTarget, ErrorsTarget, RowsTarget
from tests.hostile.target import FuzzTarget, assert_texts_clean

SECONDS_MAX = 2.0
"""CPU time that one input may take."""
HANG_SECONDS = 60.0
"""Wall time after which the process is ended with a traceback of where it hangs."""
GROWTH_BYTES_MAX = 256 * 2**20
"""How much the process's largest size may grow over a whole run."""
VIOLATIONS_MAX = 10
SHARES: Sequence[tuple[FuzzTarget, int]] = (
    (RowsTarget(), 5295),
    (ErrorsTarget(), 2000),
    (BodiesTarget(), 1000),
    (ConfigTarget(), 1300),
    (PostgresTarget(), 200),
    (PeersTarget(), 200),
    (NightsTarget(), 5),
)
"""How many of ten thousand inputs each target gets."""


@dataclass(slots=True)
class FuzzResult:
    """The result of a run."""

    input_counts: dict[str, int] = field(default_factory=dict)
    slowest_seconds: dict[str, float] = field(default_factory=dict)
    growth_bytes: int = 0
    violations: list[str] = field(default_factory=list)


def run_fuzzer(inputs: int, seed: int, shares: Sequence[tuple[FuzzTarget, int]] = SHARES, first: int = 0) -> FuzzResult:
    """Feed inputs; ends early once there are enough violations to look at."""
    outcome = FuzzResult()
    whole = sum(share for _, share in shares)
    before = _get_peak_bytes()
    for target, share in shares:
        for number in range(first, first + max(1, inputs * share // whole)):
            if len(outcome.violations) >= VIOLATIONS_MAX:
                return outcome
            _feed(target, number, seed, outcome)
    outcome.growth_bytes = _get_peak_bytes() - before
    if outcome.growth_bytes > GROWTH_BYTES_MAX:
        outcome.violations.append(f"memory grew by {outcome.growth_bytes / 2**20:.0f} MB")
    return outcome


def feed_checked(target: FuzzTarget, sent: bytes) -> None:
    """Feed one input; raises the violation that it causes."""
    assert_texts_clean(target.feed(sent))


def _feed(target: FuzzTarget, number: int, seed: int, outcome: FuzzResult) -> None:
    sent = target.make_input(number, seed)
    faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
    started = time.process_time()
    try:
        feed_checked(target, sent)
    except Exception:  # noqa: BLE001  whatever comes is what is looked for
        outcome.violations.append(_format_violation(target, number, seed, sent, traceback.format_exc()))
    finally:
        faulthandler.cancel_dump_traceback_later()
    seconds = time.process_time() - started
    outcome.input_counts[target.name] = outcome.input_counts.get(target.name, 0) + 1
    outcome.slowest_seconds[target.name] = max(seconds, outcome.slowest_seconds.get(target.name, 0.0))
    if seconds > SECONDS_MAX:
        outcome.violations.append(_format_violation(target, number, seed, sent, f"took {seconds:.1f} s"))


def _format_violation(target: FuzzTarget, number: int, seed: int, sent: bytes, what: str) -> str:
    replay = f"python -m tests.hostile --only {target.name} --seed {seed} --first {number} --inputs 1"
    return f"{what}\n  input ({len(sent)} bytes): {sent[:200]!r}\n  again: {replay}"


def _get_peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def print_report(outcome: FuzzResult, write: Callable[[str], None]) -> None:
    """Print a line for each target, then the violations."""
    for name, count in outcome.input_counts.items():
        write(f"{name:<14} {count:>7} inputs, the slowest took {outcome.slowest_seconds[name] * 1000:.0f} ms")
    write(f"memory grew by {outcome.growth_bytes / 2**20:.0f} MB, {len(outcome.violations)} violations")
    for violation in outcome.violations:
        write(violation)
