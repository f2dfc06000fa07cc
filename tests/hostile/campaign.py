"""python -m tests.hostile.campaign: hostile answers to every peer's client, on real sockets, plain and over TLS.

The peers are the API of Open Dental, the receivers of webhooks and heartbeat pings, and PostgreSQL. Whatever a server
says must be a failure of that peer. What escapes a client ends a worker or a courier, and six of these are a
quarantine. The process's memory must stay flat.
"""

import argparse
import ctypes
import faulthandler
import gc
import os
import resource
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import anyio

from tests.hostile.peer_clients import HTTP_CLIENTS, PeersTarget
from tests.hostile.postgres.delivery import PostgresTarget
from tests.hostile.target import assert_texts_clean

AT_ONCE = 16
"""Conversations of one process, so that one that waits for a time-out holds up no other."""
WARM_ANSWERS = 600
"""Until then a process still imports and fills its caches."""
SAMPLE_ANSWERS = 100
"""Between two looks at the memory of a process."""
SAMPLES_MIN = 6
"""A campaign with fewer shows nothing about memory."""
FLAT_BYTES_MAX = 8 * 2**20
"""From the first to the last third of a campaign. A leak of 1 kB an answer grows by 27 MB in 40,000."""
ESCAPES_SHOWN = 10
CRASHES_OF_A_QUARANTINE = 6
_PEERS, _POSTGRES = PeersTarget(), PostgresTarget()


@dataclass(frozen=True)
class Share:
    """The part of a campaign that one process plays: every `step`-th number from `first`."""

    first: int
    step: int
    answers: int
    """For each peer, in all processes."""
    seconds: float
    """When the time is over, the rest is left out."""
    seed: int


@dataclass
class ShareResult:
    """What one process, or all of them, found."""

    answers: Counter[tuple[str, bool]] = field(default_factory=Counter)
    """By client, and whether over TLS."""
    escapes: list[str] = field(default_factory=list)
    crashes: Counter[str] = field(default_factory=Counter)
    """Escapes by client."""
    samples: list[int] = field(default_factory=list)
    """The memory of a process in bytes, in the order in which it was looked at."""

    @property
    def grown_bytes(self) -> int:
        """By how much the memory grew from the first to the last third."""
        third = len(self.samples) // 3
        if len(self.samples) < SAMPLES_MIN:
            return 0
        return int(median(self.samples[-third:]) - median(self.samples[:third]))

    def add(self, other: "ShareResult") -> None:
        """Add what another process found; of the memory the one that grew most."""
        self.answers += other.answers
        self.escapes += other.escapes
        self.crashes += other.crashes
        if not self.samples or other.grown_bytes > self.grown_bytes:
            self.samples = other.samples


def play_share(share: Share) -> ShareResult:
    """Play a share in this process."""
    faulthandler.enable()
    return anyio.run(_play, share)


async def _play(share: Share) -> ShareResult:
    result = ShareResult()
    deadline = time.monotonic() + share.seconds
    numbers = iter(_iterate_inputs(share))

    async def play_next() -> None:
        for client, number in numbers:
            if time.monotonic() > deadline:
                return
            await _meet(client, number, share.seed, result)
            met = result.answers.total()
            if met >= WARM_ANSWERS and met % SAMPLE_ANSWERS == 0:
                result.samples.append(_measure_used_bytes())

    async with anyio.create_task_group() as tasks:
        for _ in range(AT_ONCE):
            tasks.start_soon(play_next)
    return result


def _iterate_inputs(share: Share) -> Iterator[tuple[PeersTarget | PostgresTarget, int]]:
    """Each target with the number of its input; the peers take turns."""
    for number in range(share.first, share.answers, share.step):
        for peer in range(len(HTTP_CLIENTS)):
            yield _PEERS, number * len(HTTP_CLIENTS) + peer
        yield _POSTGRES, number


async def _meet(target: PeersTarget | PostgresTarget, number: int, seed: int, result: ShareResult) -> None:
    sent = target.make_input(number, seed)
    client, is_tls = target.describe(sent)
    try:
        assert_texts_clean([await target.meet(sent)])
    except Exception:  # noqa: BLE001  whatever comes is what is looked for
        result.crashes[client] += 1
        if len(result.escapes) < ESCAPES_SHOWN:
            again = f"python -m tests.hostile --only {target.name} --seed {seed} --first {number} --inputs 1"
            result.escapes.append(f"{client}: {traceback.format_exc()}  again: {again}")
    result.answers[client, is_tls] += 1


def run_campaign(answers: int, seconds: float, seed: int, processes: int) -> ShareResult:
    """Play a campaign; a process that dies raises `BrokenProcessPool`."""
    result = ShareResult()
    # Each server of a campaign has a thread, and each thread an arena that keeps what it freed.
    os.environ["MALLOC_ARENA_MAX"] = "2"
    shares = [Share(number, processes, answers, seconds, seed) for number in range(processes)]
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for each in pool.map(play_share, shares):
            result.add(each)
    return result


def describe_result(result: ShareResult, seconds: float) -> Iterator[str]:
    """A line for each client, then what the campaign is for."""
    for client in sorted({name for name, _ in result.answers}):
        plain, over_tls = result.answers[client, False], result.answers[client, True]
        yield f"{client:<10} {plain + over_tls:>7} answers: {plain} plain, {over_tls} over TLS"
    total = result.answers.total()
    yield f"{total} answers in {seconds:.0f} s, {total / seconds:.0f} a second"
    grown = result.grown_bytes
    memory = f"{grown / 2**20:+.1f} MB from the first to the last third of {len(result.samples)} samples"
    quarantines = sum(number // CRASHES_OF_A_QUARANTINE for number in result.crashes.values())
    yield (
        f"{result.crashes.total()} escapes, {quarantines} quarantines, "
        f"memory {'flat' if grown <= FLAT_BYTES_MAX else 'grows'} ({memory})"
    )
    yield from result.escapes


def is_clean(result: ShareResult) -> bool:
    return not result.crashes and result.grown_bytes <= FLAT_BYTES_MAX


def _measure_used_bytes() -> int:
    """The memory that is in use, without what the allocator could return."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.hostile.campaign", description=__doc__)
    parser.add_argument("--answers", type=int, default=1000, help="for each of the four peers")
    parser.add_argument("--seconds", type=float, default=900.0, help="after which the rest is left out")
    parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same answers")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    started = time.monotonic()
    result = run_campaign(options.answers, options.seconds, options.seed, options.processes)
    for line in describe_result(result, time.monotonic() - started):
        print(line, flush=True)  # noqa: T201  it is what a command says
    sys.exit(0 if is_clean(result) else 1)


if __name__ == "__main__":
    main()
