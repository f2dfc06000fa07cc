from collections.abc import Mapping

from oddaemon.core.model import Balance
from oddaemon.core.snapshot.diff import SnapshotChanges


def apply_changes(before: Mapping[int, Balance], changes: SnapshotChanges) -> dict[int, Balance]:
    """The later snapshot, ordered by pat_num: `apply_changes(before, diff(before, after)) == after`.

    Args:
        before: the earlier balances by pat_num.
        changes: what `diff` found between these very balances and the later ones.

    Raises:
        ValueError: the changes were not made from `before`; applying them would invent a snapshot that never was.
    """
    starts = (*(earlier for earlier, _ in changes.changed), *changes.cleared)
    if any(before.get(balance.pat_num) != balance for balance in starts) or any(
        balance.pat_num in before for balance in changes.new
    ):
        raise ValueError(
            "These changes start from other balances: apply them to the snapshot that they were made from."
        )
    after = dict(before)
    for balance in changes.cleared:
        del after[balance.pat_num]
    for balance in (*changes.new, *(later for _, later in changes.changed)):
        after[balance.pat_num] = balance
    return dict(sorted(after.items()))
