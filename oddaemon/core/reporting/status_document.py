"""The status of the fleet, as the JSON document that `status --json` and the HTTP listener return.

The shapes are a contract: fields may be added but never renamed or removed. The document contains no patient data, only
counts and sums of a whole office.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NotRequired, TypedDict

from oddaemon.core.fleet.overview import FleetOverview
from oddaemon.core.model import Condition, PublishedSnapshot, Status
from oddaemon.core.reporting.fleet_document import FleetOverviewDocument, make_overview_document
from oddaemon.core.reporting.formatting import format_instant, format_money, format_optional_instant

SUMMED_GUARANTORS_MIN = 5
"""The fewest guarantors whose sum is shown to a reader without authentication."""


@dataclass(frozen=True, slots=True)
class KeyRotation:
    """The rotation of an office's key, until the new key is accepted or the time is over."""

    ends_at: datetime
    """After this instant only the new key is used."""
    previous_accepted: bool
    """Whether the previous key is accepted meanwhile."""


@dataclass(frozen=True, slots=True)
class OfficeStatus:
    """The known state of one office at one moment: the source of the status document, the metrics and the digest."""

    id: str
    name: str
    status: Status
    aging_date: date | None = None
    """The date that the office last reported, with or without a published snapshot. None: unknown."""
    snapshot: PublishedSnapshot | None = None
    requests_last_pull: int | None = None
    labels: tuple[tuple[str, str], ...] = ()
    key_rotation: KeyRotation | None = None
    """None: no new key was rejected."""
    requests: int = 0
    """Requests and failures count from the start of this process."""
    failures: int = 0
    fresh_deadline: datetime | None = None
    """The deadline of the oldest missing balances; None: none are expected."""
    is_quarantined: bool = False
    """Its worker crashed too often and rests until the next action."""
    host: str | None = None
    """The host that works for it in a fleet; None: no living one does, or there is no fleet."""
    held_since: datetime | None = None


class KeyRotationDocument(TypedDict):
    """`key_trial` of an office."""

    ends_at: str
    former_accepted: bool


class SnapshotDocument(TypedDict):
    """`snapshot` of an office."""

    id: int
    aging_date: str
    published_at: str
    guarantors: int
    bal_total: str | None
    """None: without authentication, and of so few guarantors that it is about single families."""
    verified: bool


class OfficeDocument(TypedDict):
    """One element of `offices`."""

    id: str
    name: str
    condition: str
    since: str
    reason: str
    owner: str | None
    advice: str
    letter: str
    next_action: str
    next_action_at: str | None
    late_at: str | None
    aging_date: str | None
    snapshot: SnapshotDocument | None
    requests_last_pull: int | None
    labels: dict[str, str]
    key_trial: KeyRotationDocument | None
    """A changed key that is not accepted yet; None: there is none, or its time is over."""
    host: str | None
    """The host that works for it; None: no living one does, or there is no fleet."""
    held_since: str | None


class SummaryDocument(TypedDict):
    """The fleet in one line."""

    total: int
    conditions: dict[str, int]
    """Every condition is named, those of no office with 0."""
    fresh_share: float | None
    """Of the offices that are not paused, 0 to 1. None: there is none."""
    next_action_at: str | None
    """The earliest of all offices."""


class StatusDocument(TypedDict):
    """The whole document."""

    offices: list[OfficeDocument]
    summary: SummaryDocument
    fleet: NotRequired[FleetOverviewDocument]
    """The hosts; only of a database that several daemons may use, and only while its members are known."""


def make_status_document(
    offices: Iterable[OfficeStatus], now: datetime, overview: FleetOverview | None = None
) -> StatusDocument:
    """Make the document for these offices, in their order, as of `now` (aware); `overview` is of their hosts."""
    documents = [make_office_document(office, now) for office in offices]
    document: StatusDocument = {"offices": documents, "summary": make_summary_document(documents)}
    if overview is not None:
        document["fleet"] = make_overview_document(overview)
    return document


def make_summary_document(offices: Sequence[OfficeDocument]) -> SummaryDocument:
    """Make the summary of these offices."""
    counts = Counter(office["condition"] for office in offices)
    active = len(offices) - counts[Condition.PAUSED]
    return {
        "total": len(offices),
        "conditions": {condition.value: counts[condition] for condition in Condition},
        "fresh_share": round(counts[Condition.FRESH] / active, 4) if active else None,
        "next_action_at": min((at for office in offices if (at := office["next_action_at"]) is not None), default=None),
    }


def make_office_document(office: OfficeStatus, now: datetime) -> OfficeDocument:
    """Make the element of one office as of `now` (aware). An office that waits past its deadline is `late`."""
    status = office.status.evaluate_at(now)
    return {
        "id": office.id,
        "name": office.name,
        "condition": status.condition.value,
        "since": format_instant(status.since),
        "reason": status.reason,
        "owner": None if status.owner is None else status.owner.value,
        "advice": status.advice,
        "letter": status.letter,
        "next_action": status.next_action,
        "next_action_at": format_optional_instant(status.next_action_at),
        "late_at": format_optional_instant(status.late_at),
        "aging_date": None if office.aging_date is None else office.aging_date.isoformat(),
        "snapshot": None if office.snapshot is None else make_snapshot_document(office.snapshot),
        "requests_last_pull": office.requests_last_pull,
        "labels": dict(office.labels),
        "key_trial": _make_key_rotation_document(office.key_rotation, now),
        "host": office.host,
        "held_since": format_optional_instant(office.held_since),
    }


def _make_key_rotation_document(rotation: KeyRotation | None, now: datetime) -> KeyRotationDocument | None:
    if rotation is None or now >= rotation.ends_at:
        return None
    return {"ends_at": format_instant(rotation.ends_at), "former_accepted": rotation.previous_accepted}


def make_snapshot_document(snapshot: PublishedSnapshot) -> SnapshotDocument:
    """Make the `snapshot` of one office."""
    return {
        "id": snapshot.id,
        "aging_date": snapshot.aging_date.isoformat(),
        "published_at": format_instant(snapshot.published_at),
        "guarantors": snapshot.totals.guarantors,
        "bal_total": format_money(snapshot.totals.bal_total),
        "verified": snapshot.verified,
    }


def may_show_sums(guarantors: int) -> bool:
    """Whether sums may be shown without authentication: those of one or a few families are patient data."""
    return not 0 < guarantors < SUMMED_GUARANTORS_MIN


def hide_small_sums(office: OfficeDocument) -> OfficeDocument:
    """The document of an office as it may be shown without authentication."""
    snapshot = office["snapshot"]
    if snapshot is None or may_show_sums(snapshot["guarantors"]):
        return office
    return {**office, "snapshot": {**snapshot, "bal_total": None}}


def describe_key_rotation(previous_accepted: bool, ends_at: str) -> str:
    """Describe the rotation; `ends_at` is formatted for the reader's clock."""
    if previous_accepted:
        state = "it is not accepted yet, and the previous key is used meanwhile"
    else:
        state = "neither the new nor the previous key is accepted"
    return f"A new key has until {ends_at} to be accepted: {state}. After that, the office is blocked."
