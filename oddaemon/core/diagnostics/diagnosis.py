"""What the doctor finds at an office: a list of checks, each a verdict on what was observed, never a guess.

A check without a verdict says so, and a check that depends on a failed one is skipped: the first ✗ is the one to fix.
Nothing here may hold a key, a patient or an amount. `network_checks.py` (from here to the office),
`permission_checks.py`, `aging_checks.py` and `balance_checks.py` (at the office) derive the checks from observations.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Self, TypeAlias, TypeVar

from oddaemon.core.failures.failure import Failure
from oddaemon.core.failures.messages import format_failure_message
from oddaemon.core.model import ControlQueryResult, OfficeSpec, Owner
from oddaemon.core.office.status import to_sentence
from oddaemon.core.reporting.formatting import format_instant
from oddaemon.core.snapshot.aging_report import ReportLength

DEVELOPER_NAME_PUNCTUATION = " .,&()_+'"
"""Allowed in a developer name besides letters and digits. Not the hyphen: two of them begin an SQL comment."""


def is_sql_safe_name(developer_name: str) -> bool:
    """Whether this developer name can be part of a query on the office's table of keys."""
    return all(character.isalnum() or character in DEVELOPER_NAME_PUNCTUATION for character in developer_name)


class CheckName(StrEnum):
    """The checks with their headings, in order: each depends on those before it."""

    heading: str

    def __new__(cls, value: str, heading: str) -> Self:
        """A member, from its line below."""
        name = str.__new__(cls, value)
        name._value_, name.heading = value, heading
        return name

    DNS = "name", "Name and DNS"
    CONNECTION = "connection", "Connection"
    TLS = "tls", "TLS"
    API = "api", "API"
    DEVELOPER_KEY = "developer_key", "Developer key"
    CUSTOMER_KEY = "customer_key", "Customer key"
    ECONNECTOR = "econnector", "eConnector"
    VERSION = "version", "Version"
    PREFERENCES = "permission_preferences", "May read preferences"
    QUERIES = "permission_queries", "May run queries"
    REPORTS = "permission_reports", "May read reports"
    CLOCK = "clock", "Clock and zone"
    SERVICE = "service", "Open Dental Service"
    AUTOMATION = "automated_aging", "Automated aging"
    AGING = "aging", "Aging"
    CLINICS = "clinics", "Clinics"
    GUARANTORS = "guarantors", "Guarantors"
    READER = "reader", "Statement or pages"
    COST = "cost", "Requests a night"
    OUR_KEY = "our_key", "Our key at the office"


class CheckOutcome(StrEnum):
    """The outcome of a check."""

    OK = "ok"
    FAILED = "failed"
    """A human must act."""
    SKIPPED = "unknown"
    """It does not apply, has no verdict, or was not run."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One verdict, complete for a reader who sees nothing else."""

    outcome: CheckOutcome
    sentence: str
    owner: Owner | None = None
    """Who must act; None: no one."""
    advice: str = ""
    message: str = ""
    """A message that can be sent to the owner as it is."""


@dataclass(frozen=True, slots=True)
class Connectivity:
    """The way to the API's host: addresses, a connection, a certificate. No request was made."""

    host: str
    port: int
    secure: bool
    addresses: tuple[str, ...] = ()
    """Empty if the host is reached without a network."""
    failed_at: CheckName | None = None
    """DNS, CONNECTION or TLS; None: nothing failed."""
    message: str = ""
    """The system's error message."""
    protocol: str = ""
    """Such as "TLSv1.3"."""
    certificate_ends_at: datetime | None = None
    proxy: str = ""
    """The host and port of the proxy on the way; `addresses` are then the proxy's. Empty: none."""


@dataclass(frozen=True, slots=True)
class Clocks:
    """The office server's NOW() and UTC_TIMESTAMP(), both naive, and when they were received."""

    office_now: datetime
    utc_now: datetime
    at: datetime


@dataclass(frozen=True, slots=True)
class ClinicShare:
    """How many guarantors with balances belong to one ClinicNum."""

    clinic_num: int
    guarantors: int
    hidden: bool | None
    """None: table `clinic` does not hold it."""


@dataclass(frozen=True, slots=True)
class PatNumDensity:
    """Density of patient numbers, to choose a packing."""

    guarantors: int
    groups: int
    """Packed rows that they fill at the widest packing."""


@dataclass(frozen=True, slots=True)
class RegisteredKeys:
    """What the office's table of API keys holds for us, without any key."""

    ours: bool
    count: int
    """How many keys it holds for our developer name."""


T = TypeVar("T")
Observed: TypeAlias = T | Failure | None
"""A response, its failure, or None: it was not requested."""


@dataclass(frozen=True, slots=True)
class Observations:
    """How one office is configured, and everything that was observed of it."""

    spec: OfficeSpec
    remote: bool
    min_interval_seconds: float
    at: datetime
    connectivity: Connectivity
    previous_key_for: timedelta = timedelta()
    """How long the previous key is still used while the configured key is not accepted."""
    developer_name: str = ""
    """The name under which an office lists our keys; empty: not configured."""
    clocks: Observed[Clocks] = None
    zones: tuple[str, ...] = ()
    """Names of time zones that match the office's clock, likeliest first."""
    preferences: Mapping[str, str] = field(default_factory=dict)
    """The preferences that were read; '' is not set."""
    preferences_at: datetime | None = None
    """When the last of them was received."""
    preferences_failure: Failure | None = None
    """The failure that ended the reading of preferences."""
    report_seconds: Observed[float] = None
    """How many seconds the aging report took."""
    report_length: ReportLength | None = None
    """How many guarantors the report has, if it is the only reader; None: not checked."""
    report_rows: int = 0
    """How many rows of it were seen."""
    report_credits: int = 0
    """How many of these were below zero."""
    clinics: Observed[tuple[int, ...]] = None
    """The clinics that the API lists."""
    clinic_shares: Observed[tuple[ClinicShare, ...]] = None
    control: Observed[ControlQueryResult] = None
    """From the packed statement, requested past the last PatNum: totals without any balance."""
    density: Observed[PatNumDensity] = None
    registered_keys: Observed[RegisteredKeys] = None
    seconds_per_request: float = 0.0
    """The mean of the answered requests."""
    interrupted: bool = False
    """The daemon stopped before all requests were made."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The result of all checks of one office."""

    office: str
    name: str
    at: datetime
    asked_by: str
    """`doctor`: a process of its own; `daemon`: the running daemon."""
    checks: Mapping[CheckName, CheckResult]
    """In the order of `CheckName`."""
    zones: tuple[str, ...] = ()
    """Names of time zones that match the office's clock, likeliest first; empty: not known."""

    @property
    def is_healthy(self) -> bool:
        """Whether no human has to act."""
        return not self.failed_checks

    @property
    def failed_checks(self) -> dict[CheckName, CheckResult]:
        """The failed checks, in order: the first is the one to fix first."""
        return {name: check for name, check in self.checks.items() if check.outcome is CheckOutcome.FAILED}


def pass_check(sentence: str, advice: str = "") -> CheckResult:
    """A passed check; the advice may suggest an improvement."""
    return CheckResult(CheckOutcome.OK, sentence, advice=advice)


def fail_check(sentence: str, owner: Owner, advice: str, message: str = "") -> CheckResult:
    """A failed check: a human must act."""
    return CheckResult(CheckOutcome.FAILED, sentence, owner, advice, message)


def skip_check(sentence: str, advice: str = "") -> CheckResult:
    """A check without a verdict, or one that does not apply."""
    return CheckResult(CheckOutcome.SKIPPED, sentence, advice=advice)


def fail_check_due_to(failure: Failure, advice: str = "") -> CheckResult:
    """A check that failed with this failure: owner, advice and message come from its kind."""
    message = format_failure_message(failure)
    return fail_check(format_failure(failure), failure.kind.owner, advice or failure.kind.advice, message)


def format_failure(failure: Failure) -> str:
    """Format a failure as a sentence."""
    return to_sentence(failure.sentence)


def attribute_rejected_key(diagnoses: Iterable[Diagnosis]) -> list[Diagnosis]:
    """Decide, over a whole fleet, which of the two keys was rejected.

    "A key is not valid" does not say which key. If the developer key is accepted for another office, the customer key
    is the rejected one; if it is accepted for none of several offices, the developer key is the likelier one.
    """
    found = list(diagnoses)
    rejected = [each for each in found if _is_ambiguous(each)]
    if any(each.checks[CheckName.DEVELOPER_KEY].outcome is CheckOutcome.OK for each in found):
        check = pass_check("Accepted for other offices, so the customer key is the rejected one.")
    elif len(rejected) > 1:
        check = fail_check(
            f"One of the two keys is rejected for all of {len(rejected)} offices: more likely this one than all of the"
            " customer keys.",
            Owner.US,
            "Check `[api] developer_key` in the developer portal first.",
        )
    else:
        return found
    return [
        replace(each, checks={**each.checks, CheckName.DEVELOPER_KEY: check}) if each in rejected else each
        for each in found
    ]


def _is_ambiguous(diagnosis: Diagnosis) -> bool:
    outcomes = [diagnosis.checks[name].outcome for name in (CheckName.DEVELOPER_KEY, CheckName.CUSTOMER_KEY)]
    return outcomes == [CheckOutcome.SKIPPED, CheckOutcome.FAILED]


def make_diagnosis_document(diagnosis: Diagnosis) -> dict[str, Any]:
    """Convert a diagnosis to values of JSON."""
    return {
        "office": diagnosis.office,
        "name": diagnosis.name,
        "checked_at": format_instant(diagnosis.at),
        "source": diagnosis.asked_by,
        "healthy": diagnosis.is_healthy,
        "zones": list(diagnosis.zones),
        "steps": [
            {
                "step": name.value,
                "outcome": check.outcome.value,
                "message": check.sentence,
                "owner": None if check.owner is None else check.owner.value,
                "advice": check.advice,
                "letter": check.message,
            }
            for name, check in diagnosis.checks.items()
        ],
    }


def parse_diagnosis(document: Mapping[str, Any]) -> Diagnosis:
    """Read a diagnosis back from its document.

    Raises:
        ValueError, KeyError, TypeError: The document is not one of this version.
    """
    return Diagnosis(
        office=document["office"],
        name=document["name"],
        at=datetime.fromisoformat(document["checked_at"]),
        asked_by=document["source"],
        checks={
            CheckName(step["step"]): CheckResult(  # type: ignore[call-arg]  # found by its value, not made
                CheckOutcome(step["outcome"]),
                step["message"],
                None if step["owner"] is None else Owner(step["owner"]),
                step["advice"],
                step["letter"],
            )
            for step in document["steps"]
        },
        zones=tuple(document["zones"]),
    )
