"""How the fleet stands, as the JSON document that `status --json` and the HTTP listener both give.

The shapes below are a contract with whoever reads that JSON: fields may be added, never renamed or removed. It must
never hold anything about a patient; counts and sums of a whole office are the finest grain.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TypedDict

from oddaemon.core.key_trial import KeyTrial
from oddaemon.core.model import Condition, Standing


@dataclass(frozen=True, slots=True)
class PublishedSnapshot:
    """What is told of an office's last published snapshot."""

    id: int
    aging_date: date
    published_at: datetime
    guarantors: int
    bal_total: int
    """Cents, over all guarantors of the snapshot."""
    verified: bool
    """The office's own control totals equal the rows."""


@dataclass(frozen=True, slots=True)
class OfficeStatus:
    """What is known of one office at one moment."""

    id: str
    name: str
    standing: Standing
    aging_date: date | None = None
    """As the office last said, whether or not a snapshot of it is published yet. None: it never said."""
    snapshot: PublishedSnapshot | None = None
    requests_last_pull: int | None = None
    labels: tuple[tuple[str, str], ...] = ()
    key_trial: KeyTrial | None = None
    """None: no changed key has been refused."""


class KeyTrialDocument(TypedDict):
    """`key_trial` of an office."""

    ends_at: str
    former_accepted: bool


class SnapshotDocument(TypedDict):
    """`snapshot` of an office."""

    id: int
    aging_date: str
    published_at: str
    guarantors: int
    bal_total: str
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
    key_trial: KeyTrialDocument | None
    """A changed key that is not accepted yet; None: there is none, or its time is over."""


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


def status_document(offices: Iterable[OfficeStatus], now: datetime) -> StatusDocument:
    """The document for these offices, in their order, as of `now` (aware)."""
    documents = [office_document(office, now) for office in offices]
    return {"offices": documents, "summary": summary_document(documents)}


def summary_document(offices: Sequence[OfficeDocument]) -> SummaryDocument:
    """The summary of these offices alone."""
    counted = Counter(office["condition"] for office in offices)
    awake = len(offices) - counted[Condition.PAUSED]
    return {
        "total": len(offices),
        "conditions": {condition.value: counted[condition] for condition in Condition},
        "fresh_share": round(counted[Condition.FRESH] / awake, 4) if awake else None,
        "next_action_at": min((at for office in offices if (at := office["next_action_at"]) is not None), default=None),
    }


def office_document(office: OfficeStatus, now: datetime) -> OfficeDocument:
    """One office of the document as of `now` (aware): waiting past its deadline is `late`."""
    standing = office.standing.at(now)
    return {
        "id": office.id,
        "name": office.name,
        "condition": standing.condition.value,
        "since": instant(standing.since),
        "reason": standing.reason,
        "owner": None if standing.owner is None else standing.owner.value,
        "advice": standing.advice,
        "letter": standing.letter,
        "next_action": standing.next_action,
        "next_action_at": _optional_instant(standing.next_action_at),
        "late_at": _optional_instant(standing.late_at),
        "aging_date": None if office.aging_date is None else office.aging_date.isoformat(),
        "snapshot": None if office.snapshot is None else snapshot_document(office.snapshot),
        "requests_last_pull": office.requests_last_pull,
        "labels": dict(office.labels),
        "key_trial": _key_trial(office.key_trial, now),
    }


def money(cents: int) -> str:
    """Cents as a decimal string with two places: 123450 is "1234.50", -5 is "-0.05"."""
    whole, rest = divmod(abs(cents), 100)
    return f"{'-' if cents < 0 else ''}{whole}.{rest:02d}"


def instant(at: datetime) -> str:
    """RFC 3339 in UTC to the millisecond: "2026-03-08T07:00:00.000Z"; such strings sort as their instants do.

    Raises:
        ValueError: `at` is naive; whose clock it was read on is unknown.
    """
    if at.tzinfo is None:
        raise ValueError(f"{at.isoformat()} has no zone: only aware instants are told to others")
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def _key_trial(trial: KeyTrial | None, now: datetime) -> KeyTrialDocument | None:
    if trial is None or now >= trial.ends_at:
        return None
    return {"ends_at": instant(trial.ends_at), "former_accepted": trial.former_accepted}


def _optional_instant(at: datetime | None) -> str | None:
    return None if at is None else instant(at)


def snapshot_document(snapshot: PublishedSnapshot) -> SnapshotDocument:
    """One snapshot of the document."""
    return {
        "id": snapshot.id,
        "aging_date": snapshot.aging_date.isoformat(),
        "published_at": instant(snapshot.published_at),
        "guarantors": snapshot.guarantors,
        "bal_total": money(snapshot.bal_total),
        "verified": snapshot.verified,
    }
