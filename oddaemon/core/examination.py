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

from oddaemon.core.failure import Failure
from oddaemon.core.letters import letter_about
from oddaemon.core.model import Cadence, Control, Office, Owner
from oddaemon.core.report import Length
from oddaemon.core.standing import capital

DEVELOPER_NAME_MARKS = " .,&()_+'"
"""What a developer's name may hold besides letters and digits; no hyphen, as two of them begin a comment of SQL."""


def fits_a_statement(developer_name: str) -> bool:
    """Whether an office's table of keys can be searched for a developer of this name."""
    return all(letter.isalnum() or letter in DEVELOPER_NAME_MARKS for letter in developer_name)


class StepName(StrEnum):
    """The steps, in the order in which each stands on those before it."""

    NAME = "name"
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


class Outcome(StrEnum):
    """What became of a step."""

    OK = "ok"
    WRONG = "wrong"
    """A human must act."""
    UNTOLD = "untold"
    """It does not apply, could not be told, or was not tried."""


@dataclass(frozen=True, slots=True)
class Step:
    """One verdict, complete for somebody who sees nothing else."""

    name: StepName
    outcome: Outcome
    sentence: str
    owner: Owner | None = None
    """Who must act; None: nobody."""
    advice: str = ""
    letter: str = ""
    """What can be sent to the owner as it stands."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What it took to get to the API's host: its addresses, a connection, a certificate. No request was made."""

    host: str
    port: int
    secure: bool
    addresses: tuple[str, ...] = ()
    """Empty where the host is reached without a network."""
    failed_at: StepName | None = None
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
class Shape:
    """How PatNums lie."""

    guarantors: int
    groups: int
    """Packed rows in which they fall at the widest packing."""


@dataclass(frozen=True, slots=True)
class HeldKeys:
    """What the office's table of API keys says about ours, without any of them."""

    ours: bool
    count: int
    """How many keys it holds for our developer name."""


T = TypeVar("T")
Told: TypeAlias = T | Failure | None
"""An answer, what came instead of one, or None: it was not asked."""


@dataclass(frozen=True, slots=True)
class Patient:
    """What the configuration says about the office that is examined."""

    office: Office
    remote: bool
    min_interval_seconds: float
    cadence: Cadence
    former_key_for: timedelta = timedelta()
    """While the configured key is not let in, a former one is used for so long."""
    developer_name: str = ""
    """Under which an office lists our keys; empty: not configured."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything that was observed."""

    at: datetime
    reach: Reach
    clocks: Told[Clocks] = None
    zones: tuple[str, ...] = ()
    """Names of time zones that the office's clock would fit, likeliest first."""
    preferences: Mapping[str, str] = field(default_factory=dict)
    """Those that were answered; '' is not set."""
    preferences_at: datetime | None = None
    """When the last of them came."""
    preferences_failure: Failure | None = None
    """What ended the asking for them."""
    report: Told[float] = None
    """How many seconds the aging report took."""
    length: Length | None = None
    """How many guarantors that report has, where it alone can be read; None: it was not looked at."""
    clinics: Told[tuple[int, ...]] = None
    """As the API lists them."""
    shares: Told[tuple[ClinicShare, ...]] = None
    control: Told[Control] = None
    """Of the packed statement, asked for past the last PatNum: totals without a single balance."""
    shape: Told[Shape] = None
    held: Told[HeldKeys] = None
    seconds_a_request: float = 0.0
    """The mean of what was answered."""
    interrupted: bool = False
    """The daemon stopped before everything was asked."""


@dataclass(frozen=True, slots=True)
class Examination:
    """One office, examined."""

    office: str
    name: str
    at: datetime
    asked_by: str
    """`doctor`, by itself; or `daemon`, in the turn of the daemon that runs."""
    steps: tuple[Step, ...]
    zones: tuple[str, ...] = ()
    """Names of time zones that the office's clock would fit, likeliest first; empty: it was not told."""

    @property
    def is_well(self) -> bool:
        """Whether no human has to act."""
        return not self.wrong

    @property
    def wrong(self) -> tuple[Step, ...]:
        """The steps that need one, the first to mend first."""
        return tuple(step for step in self.steps if step.outcome is Outcome.WRONG)


def ok(name: StepName, sentence: str, advice: str = "") -> Step:
    """All is well; advice may tell what could be better."""
    return Step(name, Outcome.OK, sentence, advice=advice)


def wrong(name: StepName, sentence: str, owner: Owner, advice: str, letter: str = "") -> Step:
    """A human must act."""
    return Step(name, Outcome.WRONG, sentence, owner, advice, letter)


def untold(name: StepName, sentence: str, advice: str = "") -> Step:
    """It cannot be told, or does not apply."""
    return Step(name, Outcome.UNTOLD, sentence, advice=advice)


def failed(name: StepName, failure: Failure, advice: str = "") -> Step:
    """A failure, with its rule's owner, advice and letter."""
    rule = failure.rule
    return wrong(name, told(failure), rule.owner, advice or rule.advice, letter_about(failure))


def told(failure: Failure) -> str:
    """A failure as a sentence."""
    return capital(failure.sentence)


def counted(number: int, what: str) -> str:
    """Such as "1 guarantor", "4,132 guarantors"."""
    return f"1 {what}" if number == 1 else f"{number:,} {what}s"


def told_apart(examinations: Iterable[Examination]) -> list[Examination]:
    """The examinations of one fleet, with what the offices show about each other.

    "A key is not valid" does not say which of the two: where the developer key is let in for one office, it is the
    customer key of the other; where it is let in for none of several, it is more likely the developer key.
    """
    found = list(examinations)
    rejected = [each for each in found if _is_ambiguous(each)]
    if any(_outcome(each, StepName.DEVELOPER_KEY) is Outcome.OK for each in found):
        step = ok(StepName.DEVELOPER_KEY, "It is let in for other offices, so it is the customer key.")
    elif len(rejected) > 1:
        step = wrong(
            StepName.DEVELOPER_KEY,
            f"One of the two keys is not let in, for none of {len(rejected)} offices: this one, more likely than all"
            " the others.",
            Owner.US,
            "Check `[api] developer_key` in the developer portal first.",
        )
    else:
        return found
    return [_with(each, step) if each in rejected else each for each in found]


def _is_ambiguous(examination: Examination) -> bool:
    return (
        _outcome(examination, StepName.DEVELOPER_KEY) is Outcome.UNTOLD
        and _outcome(examination, StepName.CUSTOMER_KEY) is Outcome.WRONG
    )


def _outcome(examination: Examination, name: StepName) -> Outcome:
    return next(step.outcome for step in examination.steps if step.name is name)


def _with(examination: Examination, step: Step) -> Examination:
    steps: Sequence[Step] = [step if each.name is step.name else each for each in examination.steps]
    return replace(examination, steps=tuple(steps))
