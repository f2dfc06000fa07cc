"""I8, I10, I11 and I12: commands, waits between hosts, what destroys, and what happens once a night."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from tests.fleet.evidence import CommandRow, Sample, Violation

OBEYED = "I8"
NO_LONG_WAITS = "I10"
AGREED = "I11"
ONCE_A_NIGHT = "I12"
WAIT_SECONDS_MAX = 10.0
NIGHT_EVENTS = frozenset({"night_complete", "night_missed", "night_recovered"})


def find_command_violations(
    rows: Sequence[CommandRow], obeyed: Sequence[int] = (), *, is_over: bool = True
) -> Iterator[Violation]:
    """A command without an outcome, one with two, one that was obeyed more than once.

    Args:
        rows: All of the table.
        obeyed: The number of a command each time that a daemon logged it as obeyed.
        is_over: Whether every command had the time to be answered.
    """
    counts = Counter(obeyed)
    for row in rows:
        subject = f"command {row.number} ({row.verb} {row.name})"
        if counts[row.number] > 1:
            yield Violation(OBEYED, subject, f"it was obeyed {counts[row.number]} times")
        if row.answered_at is None and is_over:
            yield Violation(OBEYED, subject, "it has no answer")
        if row.answered_at is not None and row.outcome is None:
            yield Violation(OBEYED, subject, "it was answered and has no outcome")
        if row.answered_at is not None and row.taken_by is None and not row.is_refused:
            yield Violation(OBEYED, subject, "it was obeyed and no member took it")
        if row.is_refused and counts[row.number]:
            yield Violation(OBEYED, subject, "it was refused and obeyed")
    for number in counts.keys() - {row.number for row in rows}:
        yield Violation(OBEYED, f"command {number}", "it was obeyed and never given")


def find_long_waits(samples: Sequence[Sample]) -> Iterator[Violation]:
    """A member that waits long for a lock that another one holds."""
    for sample in samples:
        for wait in sample.waits:
            others = sorted(set(wait.blocked_by) - {wait.member})
            if wait.seconds > WAIT_SECONDS_MAX and others:
                sentence = f"it waited {wait.seconds:.1f} s for a lock of members {others} at {sample.at}"
                yield Violation(NO_LONG_WAITS, f"member {wait.member}", sentence)


def has_agreement(sample: Sample) -> bool:
    """Whether all living members have the same configuration; it may also be that only one is left."""
    alive = [each for each in sample.members.values() if each.is_alive]
    return len({(each.settings, each.offices) for each in alive}) == 1


def find_lone_destruction(samples: Sequence[Sample]) -> Iterator[Violation]:
    """An office, a sink or a delivery that goes away while the hosts' configurations differ."""
    for before, after in pairwise(samples):
        if has_agreement(before) or has_agreement(after):
            continue
        for what, gone in (
            ("office", before.wanted - after.wanted),
            ("sink", before.sinks - after.sinks),
            ("delivery", before.deliveries - after.deliveries),
        ):
            for each in sorted(map(str, gone)):
                yield Violation(AGREED, f"{what} {each}", f"it went away at {after.at}, while the hosts differed")


def find_repeated_nights(
    lines: Mapping[str, Sequence[Mapping[str, Any]]], pings: Sequence[str] = ()
) -> Iterator[Violation]:
    """An event of a night that several daemons report, or one reports again; a ping that is sent twice.

    Args:
        lines: The log of each host.
        pings: What the pings' receiver got: the night and the outcome, as one text each.
    """
    counts = Counter(
        f"{line['event']} of {line['night']}" for own in lines.values() for line in own if line["event"] in NIGHT_EVENTS
    )
    counts.update(f"ping {each}" for each in pings)
    for subject, count in sorted(counts.items()):
        if count > 1:
            yield Violation(ONCE_A_NIGHT, subject, f"it came {count} times")
