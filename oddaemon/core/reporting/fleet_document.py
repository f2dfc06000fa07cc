"""The members of a fleet, as the JSON document that `fleet --json` and the status document have.

The shapes are a contract: fields may be added but never renamed or removed.
"""

from typing import TypedDict

from oddaemon.core.fleet.agreement import ConfigDifference
from oddaemon.core.fleet.overview import FleetOverview, MemberSummary, Replication
from oddaemon.core.reporting.formatting import format_instant, format_optional_instant


class MemberDocument(TypedDict):
    """One element of `members` and of `gone`."""

    number: int
    host: str
    stage: str
    """`joining`, `working`, `draining` or `gone`."""
    version: str
    offices: int
    """How many it holds."""
    joined_at: str
    renewed_at: str
    expires_at: str
    """A member that sees a later instant may mark it as gone."""
    settings: str
    """The fingerprint of the settings that the hosts share."""
    network: str
    address: str
    """Where its pages are served; "": nowhere."""
    gone_at: str | None
    departure: str | None
    """`drained`, `rejoined` or `expired`; None: it is there."""


class HeldDocument(TypedDict):
    """`offices` of a fleet."""

    held: int
    unheld: int


class DifferenceDocument(TypedDict):
    """One element of `differences`: how a host's configuration differs."""

    host: str
    lacks: list[str]
    """Offices that another host has."""
    differs: list[str]
    """Offices whose settings another host has otherwise."""
    shared_settings: bool
    sentence: str


class ReplicationDocument(TypedDict):
    """`database` of a fleet."""

    standbys: int
    is_synchronous: bool
    lag_seconds: float | None


class FleetOverviewDocument(TypedDict):
    """The whole document."""

    at: str
    host: str | None
    """The host that wrote it; None: no daemon did."""
    members: list[MemberDocument]
    gone: list[MemberDocument]
    """Within the hour, the last one first."""
    lost_hosts: list[str]
    """Hosts whose last member did not leave in good order, and that have not come back."""
    offices: HeldDocument
    differences: list[DifferenceDocument]
    database: ReplicationDocument


def make_overview_document(overview: FleetOverview) -> FleetOverviewDocument:
    """Make the document."""
    return {
        "at": format_instant(overview.at),
        "host": overview.host or None,
        "members": [_make_member_document(each) for each in overview.members],
        "gone": [_make_member_document(each) for each in overview.gone],
        "lost_hosts": list(overview.lost_hosts),
        "offices": {"held": len(overview.holders), "unheld": overview.unheld},
        "differences": [make_difference_document(each) for each in overview.differences],
        "database": make_replication_document(overview.replication),
    }


def make_replication_document(replication: Replication) -> ReplicationDocument:
    """`database` of a fleet."""
    return {
        "standbys": replication.standbys,
        "is_synchronous": replication.is_synchronous,
        "lag_seconds": replication.lag_seconds,
    }


def _make_member_document(member: MemberSummary) -> MemberDocument:
    return {
        "number": member.number,
        "host": member.host,
        "stage": member.stage.value,
        "version": member.version,
        "offices": member.offices,
        "joined_at": format_instant(member.joined_at),
        "renewed_at": format_instant(member.renewed_at),
        "expires_at": format_instant(member.expires_at),
        "settings": member.settings,
        "network": member.network,
        "address": member.address,
        "gone_at": format_optional_instant(member.gone_at),
        "departure": None if member.departure is None else member.departure.value,
    }


def make_difference_document(difference: ConfigDifference) -> DifferenceDocument:
    """One element of `differences`."""
    return {
        "host": difference.host,
        "lacks": list(difference.lacks),
        "differs": list(difference.differs),
        "shared_settings": difference.shared_settings,
        "sentence": difference.sentence,
    }
