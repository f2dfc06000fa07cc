"""Whose balances there are at the office, and what reading them takes."""

from collections.abc import Sequence
from math import ceil
from typing import NamedTuple

from oddaemon.core.examination import (
    ClinicShare,
    Patient,
    Seen,
    Shape,
    Step,
    StepName,
    counted,
    ok,
    told,
    untold,
    wrong,
)
from oddaemon.core.failure import Failure
from oddaemon.core.model import Control, Owner, Reader
from oddaemon.core.packing import GROUPS_PLANNED, GUARANTORS_A_GROUP_MIN
from oddaemon.core.report import Length, pages_of

SURVEY_REQUESTS = 7
"""All preferences and the clock, once a night."""
PROBE_REQUESTS = 2
CONTROL_REQUESTS = 2
"""Around pages."""
BY_REPORT = "By the aging report, read twice, as configured."
REPORT_REQUESTS = 8
"""Where aging stands and whose database it is, around a report."""


class Reading(NamedTuple):
    """How an office will be read, and in how many requests."""

    reader: Reader
    requests: int
    seconds: float
    """That they take of the key's time."""
    sentence: str


def clinics(patient: Patient, seen: Seen) -> Step:
    """The clinics that are listed, those that are hidden, and whoever belongs to none."""
    listed = seen.clinics if isinstance(seen.clinics, tuple) else None
    if not isinstance(seen.shares, tuple):
        if listed is None:
            return untold(StepName.CLINICS, "They could not be told.")
        return ok(StepName.CLINICS, f"{_listed(len(listed))} Hidden ones and ClinicNum 0 show in queries only.")
    shares = seen.shares
    hidden = [share for share in shares if share.hidden]
    none = sum(share.guarantors for share in shares if not share.clinic_num)
    parts = [_listed(sum(share.hidden is False for share in shares) if listed is None else len(listed))]
    if hidden:
        held = counted(sum(share.guarantors for share in hidden), "guarantor")
        parts.append(f"{counted(len(hidden), 'hidden one')} with {held}.")
    if none and len(shares) > 1:
        parts.append(f"{counted(none, 'guarantor')} in none (ClinicNum 0).")
    known = {0, *(listed or ()), *(share.clinic_num for share in shares)}
    return _as_wished(patient, " ".join(parts), known, shares)


def _as_wished(patient: Patient, sentence: str, known: set[int], shares: Sequence[ClinicShare]) -> Step:
    """The step in the light of `clinics` in the configuration."""
    wanted = patient.office.clinics
    strangers = [clinic for clinic in wanted if clinic not in known]
    if strangers:
        return wrong(
            StepName.CLINICS,
            f"{sentence} `clinics` names {_names(strangers)}, which is not among them.",
            Owner.US,
            f"Correct `clinics`: there are {_names(sorted(known))}.",
        )
    left_out = [share for share in shares if wanted and share.clinic_num not in wanted]
    advice = ""
    if left_out:
        held = counted(sum(share.guarantors for share in left_out), "guarantor")
        advice = f"`clinics` leaves out {_names([share.clinic_num for share in left_out])}, with {held}."
    return ok(StepName.CLINICS, sentence, advice)


def guarantors(_patient: Patient, seen: Seen) -> Step:
    """How many there are to be read."""
    number = _number(seen)
    if number is None:
        return untold(StepName.GUARANTORS, "Only a query can count them.")
    if number and seen.length is not None:
        return ok(StepName.GUARANTORS, f"{_between(seen.length)} in the aging report.")
    if not number:
        advice = "If the practice is not new, see `clinics`, and whether this is the right database."
        return untold(StepName.GUARANTORS, "Nobody has a balance.", advice)
    return ok(StepName.GUARANTORS, f"{counted(number, 'guarantor')} with a balance.")


def reader(patient: Patient, seen: Seen) -> Step:
    """In one statement, in pages, or by the report."""
    wish = patient.office.reader
    if wish is Reader.STATEMENT and isinstance(seen.control, Failure):
        advice = 'Write `reader = "auto"`: the office is then read in pages.'
        return wrong(StepName.READER, f"The statement does not work here. {told(seen.control)}", Owner.US, advice)
    if wish is Reader.REPORT:
        return ok(StepName.READER, BY_REPORT)
    found = _reading(patient, seen)
    if found is None:
        return untold(StepName.READER, "Without queries it cannot be told.")
    return ok(StepName.READER, found.sentence)


def cost(patient: Patient, seen: Seen) -> Step:
    """What a night asks of the key."""
    found = _reading(patient, seen)
    if found is None:
        return untold(StepName.COST, "Without queries it cannot be told.")
    cadence = patient.cadence
    probes = PROBE_REQUESTS * ceil(cadence.start_window_seconds / 2 / cadence.probe_seconds)
    requests = SURVEY_REQUESTS + probes
    seconds = requests * _every(patient, seen) + found.seconds
    about = "About" if seen.length is None or seen.length.at_most is not None else "At least"
    return ok(
        StepName.COST,
        f"{about} {requests + found.requests:,}, {seconds:,.0f} s of the key's time in all; reading the balances takes"
        f" {found.requests:,} of them, {found.seconds:,.0f} s.",
    )


def _reading(patient: Patient, seen: Seen) -> Reading | None:
    """How this office will be read, as far as can be told beforehand."""
    number, rows = _number(seen), patient.office.page_rows
    wish = patient.office.reader
    if number is None:
        return None
    every = _every(patient, seen)
    if wish is Reader.REPORT:
        # Each clinic is a list of its own, whose end may be a page of its own.
        pages = pages_of(number, rows) + 2 * max(0, len(patient.office.clinics) - 1)
        # The whole report is made for each of its pages.
        page_seconds = max(every, seen.report) if isinstance(seen.report, float) else every
        seconds = pages * page_seconds + REPORT_REQUESTS * every
        return Reading(Reader.REPORT, pages + REPORT_REQUESTS, seconds, BY_REPORT)
    pages = CONTROL_REQUESTS + ceil(number / rows)
    if wish is Reader.PAGES:
        return Reading(Reader.PAGES, pages, pages * every, f"In pages of {rows:,}, as configured.")
    if isinstance(seen.control, Failure):
        sentence = f"In pages: the statement does not work here. {told(seen.control)}"
        return Reading(Reader.PAGES, pages, pages * every, sentence)
    if isinstance(seen.shape, Shape) and _is_sparse(seen.shape):
        return Reading(Reader.PAGES, pages, pages * every, "In pages: its PatNums are too far apart to pack.")
    return Reading(Reader.STATEMENT, 1, every, "In one statement.")


def _every(patient: Patient, seen: Seen) -> float:
    """Seconds from one request to the next."""
    return max(patient.min_interval_seconds, seen.seconds_a_request)


def _is_sparse(shape: Shape) -> bool:
    """Whether even the widest packing would put too few guarantors into a row."""
    return shape.groups > GROUPS_PLANNED and shape.guarantors < GUARANTORS_A_GROUP_MIN * shape.groups


def _number(seen: Seen) -> int | None:
    if isinstance(seen.control, Control):
        return seen.control.totals.guarantors
    if isinstance(seen.shape, Shape):
        return seen.shape.guarantors
    if seen.length is None:
        return None
    return seen.length.at_least if seen.length.at_most is None else seen.length.at_most


def _between(length: Length) -> str:
    if length.at_least == length.at_most:
        return counted(length.at_least, "guarantor")
    if length.at_most is None:
        return f"At least {counted(length.at_least, 'guarantor')}"
    return f"{length.at_least:,} to {length.at_most:,} guarantors"


def _listed(number: int) -> str:
    return f"{counted(number, 'clinic')}." if number else "Clinics are not in use."


def _names(clinic_nums: Sequence[int]) -> str:
    return ", ".join(map(str, clinic_nums))
