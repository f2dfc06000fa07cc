"""What the doctor finds at an office: one step after another, each a verdict on what was observed, never a guess.

A step that could not be told says so, and a step whose ground failed is not tried: the first ✗ is the one to mend.
Nothing here may hold a key, a patient or an amount. How the steps follow from what was observed is in
`examination_way.py` (from here to the office), `examination_rights.py`, `examination_aging.py` and
`examination_balances.py` (inside it).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeAlias, TypeVar

from oddaemon.core.failures.failure import Failure
from oddaemon.core.failures.messages import format_failure_message
from oddaemon.core.model import Cadence, ControlQueryResult, Office, Owner
from oddaemon.core.office.status import to_sentence
from oddaemon.core.snapshot.aging_report import ReportLength

DEVELOPER_NAME_PUNCTUATION = " .,&()_+'"
"""What a developer's name may hold besides letters and digits; no hyphen, as two of them begin a comment of SQL."""


def is_sql_safe_name(developer_name: str) -> bool:
    """Whether an office's table of keys can be searched for a developer of this name."""
    return all(character.isalnum() or character in DEVELOPER_NAME_PUNCTUATION for character in developer_name)


class CheckName(StrEnum):
    """The steps, in the order in which each stands on those before it."""

    DNS = "name"
    CONNECTION = "connection"
    TLS = "tls"
    API = "api"
    DEVELOPER_KEY = "developer_key"
    CUSTOMER_KEY = "customer_key"
    ECONNECTOR = "econnector"
    VERSION = "version"
    PREFERENCES = "permission_preferences"
    QUERIES = "permission_queries"
    REPORTS = "permission_reports"
    CLOCK = "clock"
    SERVICE = "service"
    AUTOMATION = "automated_aging"
    AGING = "aging"
    CLINICS = "clinics"
    GUARANTORS = "guarantors"
    READER = "reader"
    COST = "cost"
    OUR_KEY = "our_key"


class CheckOutcome(StrEnum):
    """What became of a step."""

    OK = "ok"
    FAILED = "failed"
    """A human must act."""
    SKIPPED = "unknown"
    """It does not apply, could not be told, or was not tried."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One verdict, complete for somebody who sees nothing else."""

    name: CheckName
    outcome: CheckOutcome
    sentence: str
    owner: Owner | None = None
    """Who must act; None: nobody."""
    advice: str = ""
    message: str = ""
    """What can be sent to the owner as it stands."""


@dataclass(frozen=True, slots=True)
class Connectivity:
    """What it took to get to the API's host: its addresses, a connection, a certificate. No request was made."""

    host: str
    port: int
    secure: bool
    addresses: tuple[str, ...] = ()
    """Empty where the host is reached without a network."""
    failed_at: CheckName | None = None
    """NAME, CONNECTION or TLS; None: nothing was in the way."""
    message: str = ""
    """What the system says about that."""
    protocol: str = ""
    """Such as "TLSv1.3"."""
    certificate_ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Clocks:
    """The office server's NOW() and UTC_TIMESTAMP(), both naive, and when they came."""

    office_now: datetime
    utc_now: datetime
    at: datetime


@dataclass(frozen=True, slots=True)
class ClinicShare:
    """How many guarantors with balances belong to one ClinicNum."""

    clinic_num: int
    guarantors: int
    hidden: bool | None
    """None: table `clinic` does not know it."""


@dataclass(frozen=True, slots=True)
class PatNumDensity:
    """How PatNums lie."""

    guarantors: int
    groups: int
    """Packed rows in which they fall at the widest packing."""


@dataclass(frozen=True, slots=True)
class RegisteredKeys:
    """What the office's table of API keys says about ours, without any of them."""

    ours: bool
    count: int
    """How many keys it holds for our developer name."""


T = TypeVar("T")
Observed: TypeAlias = T | Failure | None
"""An answer, what came instead of one, or None: it was not asked."""


@dataclass(frozen=True, slots=True)
class CheckedOffice:
    """What the configuration says about the office that is examined."""

    office: Office
    remote: bool
    min_interval_seconds: float
    cadence: Cadence
    previous_key_for: timedelta = timedelta()
    """While the configured key is not let in, a former one is used for so long."""
    developer_name: str = ""
    """Under which an office lists our keys; empty: not configured."""


@dataclass(frozen=True, slots=True)
class Observations:
    """Everything that was observed."""

    at: datetime
    connectivity: Connectivity
    clocks: Observed[Clocks] = None
    zones: tuple[str, ...] = ()
    """Names of time zones that the office's clock would fit, likeliest first."""
    preferences: Mapping[str, str] = field(default_factory=dict)
    """Those that were answered; '' is not set."""
    preferences_at: datetime | None = None
    """When the last of them came."""
    preferences_failure: Failure | None = None
    """What ended the asking for them."""
    report_seconds: Observed[float] = None
    """How many seconds the aging report took."""
    report_length: ReportLength | None = None
    """How many guarantors that report has, where it alone can be read; None: it was not looked at."""
    clinics: Observed[tuple[int, ...]] = None
    """As the API lists them."""
    clinic_shares: Observed[tuple[ClinicShare, ...]] = None
    control: Observed[ControlQueryResult] = None
    """Of the packed statement, asked for past the last PatNum: totals without a single balance."""
    density: Observed[PatNumDensity] = None
    registered_keys: Observed[RegisteredKeys] = None
    seconds_per_request: float = 0.0
    """The mean of what was answered."""
    interrupted: bool = False
    """The daemon stopped before everything was asked."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One office, examined."""

    office: str
    name: str
    at: datetime
    asked_by: str
    """`doctor`, by itself; or `daemon`, in the turn of the daemon that runs."""
    checks: tuple[CheckResult, ...]
    zones: tuple[str, ...] = ()
    """Names of time zones that the office's clock would fit, likeliest first; empty: it was not told."""

    @property
    def is_healthy(self) -> bool:
        """Whether no human has to act."""
        return not self.failed_checks

    @property
    def failed_checks(self) -> tuple[CheckResult, ...]:
        """The steps that need one, the first to mend first."""
        return tuple(check for check in self.checks if check.outcome is CheckOutcome.FAILED)


def pass_check(name: CheckName, sentence: str, advice: str = "") -> CheckResult:
    """All is well; advice may tell what could be better."""
    return CheckResult(name, CheckOutcome.OK, sentence, advice=advice)


def fail_check(name: CheckName, sentence: str, owner: Owner, advice: str, message: str = "") -> CheckResult:
    """A human must act."""
    return CheckResult(name, CheckOutcome.FAILED, sentence, owner, advice, message)


def skip_check(name: CheckName, sentence: str, advice: str = "") -> CheckResult:
    """It cannot be told, or does not apply."""
    return CheckResult(name, CheckOutcome.SKIPPED, sentence, advice=advice)


def fail_check_due_to(name: CheckName, failure: Failure, advice: str = "") -> CheckResult:
    """A failure, with its rule's owner, advice and letter."""
    rule = failure.rule
    return fail_check(name, format_failure(failure), rule.owner, advice or rule.advice, format_failure_message(failure))


def format_failure(failure: Failure) -> str:
    """A failure as a sentence."""
    return to_sentence(failure.sentence)


def format_count(number: int, noun: str) -> str:
    """Such as "1 guarantor", "4,132 guarantors"."""
    return f"1 {noun}" if number == 1 else f"{number:,} {noun}s"


def attribute_rejected_key(diagnoses: Iterable[Diagnosis]) -> list[Diagnosis]:
    """The examinations of one fleet, with what the offices show about each other.

    "A key is not valid" does not say which of the two: where the developer key is let in for one office, it is the
    customer key of the other; where it is let in for none of several, it is more likely the developer key.
    """
    found = list(diagnoses)
    rejected = [each for each in found if _is_ambiguous(each)]
    if any(_get_outcome(each, CheckName.DEVELOPER_KEY) is CheckOutcome.OK for each in found):
        check = pass_check(CheckName.DEVELOPER_KEY, "It is let in for other offices, so it is the customer key.")
    elif len(rejected) > 1:
        check = fail_check(
            CheckName.DEVELOPER_KEY,
            f"One of the two keys is not let in, for none of {len(rejected)} offices: this one, more likely than all"
            " the others.",
            Owner.US,
            "Check `[api] developer_key` in the developer portal first.",
        )
    else:
        return found
    return [_replace_check(each, check) if each in rejected else each for each in found]


def _is_ambiguous(diagnosis: Diagnosis) -> bool:
    return (
        _get_outcome(diagnosis, CheckName.DEVELOPER_KEY) is CheckOutcome.SKIPPED
        and _get_outcome(diagnosis, CheckName.CUSTOMER_KEY) is CheckOutcome.FAILED
    )


def _get_outcome(diagnosis: Diagnosis, name: CheckName) -> CheckOutcome:
    return next(check.outcome for check in diagnosis.checks if check.name is name)


def _replace_check(diagnosis: Diagnosis, check: CheckResult) -> Diagnosis:
    checks: Sequence[CheckResult] = [check if each.name is check.name else each for each in diagnosis.checks]
    return replace(diagnosis, checks=tuple(checks))
