"""Members and leases as the database would show them."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from oddaemon.core.fleet.lease import Lease, LeaseKind
from oddaemon.core.fleet.member import Departure, Member, Stage

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


def make_member(
    number: int,
    host: str = "",
    stage: Stage = Stage.WORKING,
    *,
    offices: Mapping[str, str] | None = None,
    knows: int = 100,
    network: str = "192.0.2.1",
    gone_seconds_ago: float | None = None,
    settings: str = "s",
    departure: Departure = Departure.EXPIRED,
) -> Member:
    """A working member that knows all others; with `gone_seconds_ago` one that died, or ended in another way."""
    gone_at = None if gone_seconds_ago is None else NOW - timedelta(seconds=gone_seconds_ago)
    return Member(
        number, host or f"host-{number}", network, Stage.GONE if gone_at else stage,
        NOW, NOW, NOW + timedelta(seconds=15), knows, gone_at, settings, offices or {},
        departure=departure if gone_at else None,
    )  # fmt: skip


def make_lease(
    name: str,
    holder: int | None = None,
    *,
    kind: LeaseKind = LeaseKind.OFFICE,
    fingerprint: str | None = None,
    open_seconds: float | None = None,
    asked_by: int | None = None,
) -> Lease:
    """An office's lease; with `open_seconds` a request of `asked_by` may be under way for so long."""
    open_until = None if open_seconds is None else NOW + timedelta(seconds=open_seconds)
    return Lease(kind, name, holder, fingerprint=fingerprint, open_until=open_until, asked_by=asked_by)
