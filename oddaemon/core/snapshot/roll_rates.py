"""How money moves between the buckets from one snapshot to the next: what rolled on, was charged, was settled.

A snapshot holds states, not movements, so the movements are the fewest that explain what is seen of each guarantor. A
charge ages by one bucket at a time, and nothing but the bucket before feeds an older one. So, from the oldest down:
what a bucket gained rolled in from the bucket before, as far as that one held it, and left it there; what is still
gained was charged, what is still lost was settled (paid, written off, transferred).

    later = earlier + rolled in + charged - rolled on - settled         for each guarantor and bucket

A payment that meets money rolling into the same bucket on the same day hides as much of it: rates are lower bounds. The
roll rate of a bucket is what rolled out of it into the next, divided by all that it held in the earlier snapshot.
"""

from dataclasses import dataclass
from typing import NamedTuple

from oddaemon.core.model import Balance, ControlTotals


class BucketFlow(NamedTuple):
    """Movements between two snapshots, in cents."""

    rolled_31_60: int = 0
    """From 0 to 30 days into 31 to 60."""
    rolled_61_90: int = 0
    rolled_over_90: int = 0
    charged: int = 0
    """Appeared in a bucket that nothing older explains: charges, mostly into 0 to 30 days."""
    settled: int = 0
    """Left a bucket without reaching the next."""

    def add(self, other: "BucketFlow") -> "BucketFlow":
        """Both together."""
        return BucketFlow._make(one + another for one, another in zip(self, other, strict=True))


NO_FLOW = BucketFlow()


@dataclass(frozen=True, slots=True)
class RollRates:
    """Shares from 0 to 1 of what each bucket held in the earlier snapshot; None: it held nothing, or less."""

    to_31_60: float | None = None
    to_61_90: float | None = None
    to_over_90: float | None = None


def compute_flow(before: Balance | None, after: Balance | None) -> BucketFlow:
    """The movements of one guarantor.

    Args:
        before: the balance in the earlier snapshot; None: not in it, so all buckets were empty.
        after: the balance in the later snapshot; None: not in it.
    """
    rolled_on, charged, settled = 0, 0, 0
    rolled: list[int] = []
    earlier, later = _get_buckets(before), _get_buckets(after)
    for bucket in (3, 2, 1, 0):
        gained = later[bucket] - earlier[bucket] + rolled_on
        held_before = max(0, earlier[bucket - 1]) if bucket else 0
        rolled_in = min(max(0, gained), held_before)
        rest = gained - rolled_in
        charged += max(0, rest)
        settled += max(0, -rest)
        rolled.append(rolled_in)
        rolled_on = rolled_in
    over_90, to_61_90, to_31_60, _ = rolled
    return BucketFlow(to_31_60, to_61_90, over_90, charged, settled)


def compute_roll_rates(bucket_flow: BucketFlow, earlier: ControlTotals) -> RollRates:
    """The rates of a whole office.

    Args:
        bucket_flow: of all of its guarantors together.
        earlier: the totals of the earlier snapshot.
    """
    return RollRates(
        _compute_share(bucket_flow.rolled_31_60, earlier.bal_0_30),
        _compute_share(bucket_flow.rolled_61_90, earlier.bal_31_60),
        _compute_share(bucket_flow.rolled_over_90, earlier.bal_61_90),
    )


def _compute_share(part: int, whole: int) -> float | None:
    return None if whole <= 0 else round(part / whole, 6)


def _get_buckets(balance: Balance | None) -> tuple[int, int, int, int]:
    if balance is None:
        return 0, 0, 0, 0
    return balance.bal_0_30, balance.bal_31_60, balance.bal_61_90, balance.bal_over_90
