"""I1: at most one living holder, and a generation that rises with each one. I2: no write under another's lease."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import pairwise

from oddaemon.simulator.headquarters.traffic_log import RecordedRequest
from tests.fleet.evidence import GONE, LeaseRow, OfficeWrite, Sample, Violation

UNKNOWN = "?"
"""In the log, a process that ended before it was looked at."""
ONE_HOLDER = "I1"
FENCED = "I2"
SENDING_SECONDS = 1.5
"""From a permit to the request, and how old a sample may be."""
STAGES = ("joining", "working", "draining", GONE)


def find_broken_generations(samples: Sequence[Sample]) -> Iterator[Violation]:
    """A generation that falls, one that two members hold, and a holder that was gone before."""
    holders: defaultdict[tuple[str, str, int], set[int]] = defaultdict(set)
    for key, lease in samples[0].leases.items() if samples else ():
        holders[*key, lease.generation].update(() if lease.holder is None else (lease.holder,))
    for before, after in pairwise(samples):
        for key, lease in after.leases.items():
            old = before.leases.get(key, LeaseRow(*key))
            if lease.generation < old.generation:
                sentence = f"its generation fell from {old.generation} to {lease.generation} at {after.at}"
                yield Violation(ONE_HOLDER, "/".join(key), sentence)
            if lease.holder is None:
                continue
            known = holders[*key, lease.generation]
            if known and lease.holder not in known:
                sentence = f"members {sorted(known)} and {lease.holder} hold generation {lease.generation}"
                yield Violation(ONE_HOLDER, "/".join(key), sentence)
            known.add(lease.holder)
            was = before.members.get(lease.holder)
            if was is not None and not was.is_alive and lease.generation > old.generation:
                yield Violation(ONE_HOLDER, "/".join(key), f"member {lease.holder} took it at {after.at} and was gone")


def find_revived_members(samples: Sequence[Sample]) -> Iterator[Violation]:
    """A member whose stage moves backwards."""
    for before, after in pairwise(samples):
        for number, member in after.members.items():
            was = before.members.get(number)
            if was is not None and STAGES.index(member.stage) < STAGES.index(was.stage):
                sentence = f"it was {was.stage} and is {member.stage} at {after.at}"
                yield Violation(ONE_HOLDER, f"member {number}", sentence)


def find_requests_without_lease(
    samples: Sequence[Sample], requests: Sequence[RecordedRequest], hosts: Mapping[str, str]
) -> Iterator[Violation]:
    """A request from a host that did not hold the office around that time.

    Args:
        samples: In order.
        requests: In any order.
        hosts: The name in the fleet of each host, by the name that the log of the traffic has for it.
    """
    slack = timedelta(seconds=SENDING_SECONDS)
    ordered = sorted(requests, key=lambda request: request.arrived)
    first = 0
    for request in ordered:
        while first < len(samples) and samples[first].at < request.arrived - slack:
            first += 1
        near = []
        for sample in samples[first:]:
            if sample.at > request.arrived + slack:
                break
            near.append(sample.find_holder(request.office_id))
        names = {holder.host for holder in near if holder is not None}
        host = hosts.get(request.client, request.client)
        if near and host not in {*names, UNKNOWN}:
            sentence = f"{host} asked at {request.arrived}, when {sorted(names)} held it"
            yield Violation(ONE_HOLDER, request.office_id, sentence)


def find_unfenced_writes(writes: Sequence[OfficeWrite]) -> Iterator[Violation]:
    """A row of an office that another than the holder of its lease changed."""
    for write in writes:
        if write.member is None or write.member not in {write.holder, write.sink_holder}:
            sentence = f"member {write.member} changed {write.table} at {write.at}, and member {write.holder} held it"
            yield Violation(FENCED, write.office, sentence)
