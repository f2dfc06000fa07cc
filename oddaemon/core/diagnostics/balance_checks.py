"""Checks of the balances at the office, and of what reading them costs."""

from collections.abc import Sequence
from math import ceil
from typing import NamedTuple

from oddaemon.core.diagnostics.diagnosis import (
    CheckResult,
    ClinicShare,
    Observations,
    PatNumDensity,
    fail_check,
    format_failure,
    pass_check,
    skip_check,
)
from oddaemon.core.failures.failure import Failure
from oddaemon.core.model import ControlQueryResult, Include, OfficeSpec, Owner, Reader
from oddaemon.core.reporting.formatting import format_count
from oddaemon.core.snapshot.aging_report import ReportLength, count_report_requests
from oddaemon.core.snapshot.packing import GROUPS_PLANNED, GUARANTORS_PER_GROUP_MIN

SURVEY_REQUESTS = 7
"""All preferences and the clock, once a night."""
PROBE_REQUESTS = 2
CONTROL_REQUESTS = 2
"""Before and after pages."""
BY_REPORT = "From the aging report, read twice, as configured."
MANY_REPORT_ROWS = 50
"""A practice with this many balances has families with a credit."""
REPORT_REQUESTS = 8
"""For the state of aging and the identity of the database, before and after a report."""


class PullEstimate(NamedTuple):
    """The reader of an office, and the requests that a pull will take."""

    reader: Reader
    requests: int
    seconds: float
    """How long they occupy the key."""
    sentence: str


def check_clinics(observations: Observations) -> CheckResult:
    """Count the listed and the hidden clinics, and the guarantors without a clinic."""
    listed = observations.clinics if isinstance(observations.clinics, tuple) else None
    if not isinstance(observations.clinic_shares, tuple):
        if listed is None:
            return skip_check("Not known: the office did not list them.")
        return pass_check(
            f"{_format_clinic_count(len(listed))} Hidden clinics and ClinicNum 0 are visible to queries only.",
        )
    shares = observations.clinic_shares
    hidden = [share for share in shares if share.hidden]
    unassigned = sum(share.guarantors for share in shares if not share.clinic_num)
    parts = [_format_clinic_count(sum(share.hidden is False for share in shares) if listed is None else len(listed))]
    if hidden:
        guarantor_count = format_count(sum(share.guarantors for share in hidden), "guarantor")
        parts.append(f"{format_count(len(hidden), 'hidden clinic')} with {guarantor_count}.")
    if unassigned and len(shares) > 1:
        parts.append(f"{format_count(unassigned, 'guarantor')} without a clinic (ClinicNum 0).")
    known = {0, *(listed or ()), *(share.clinic_num for share in shares)}
    return _check_configured_clinics(observations.spec, " ".join(parts), known, shares)


def _check_configured_clinics(
    office: OfficeSpec, sentence: str, known: set[int], shares: Sequence[ClinicShare]
) -> CheckResult:
    """Compare the clinics with `clinics` in the configuration."""
    wanted = office.clinics
    unknown = [clinic for clinic in wanted if clinic not in known]
    if unknown:
        return fail_check(
            f"{sentence} `clinics` names {_format_clinic_nums(unknown)}, which does not exist.",
            Owner.US,
            f"Correct `clinics`. The office has {_format_clinic_nums(sorted(known))}.",
        )
    left_out = [share for share in shares if wanted and share.clinic_num not in wanted]
    advice = ""
    if left_out:
        guarantor_count = format_count(sum(share.guarantors for share in left_out), "guarantor")
        advice = (
            f"`clinics` leaves out {_format_clinic_nums([share.clinic_num for share in left_out])}, "
            f"with {guarantor_count}."
        )
    return pass_check(sentence, advice)


def check_guarantors(observations: Observations) -> CheckResult:
    """Count the guarantors to read."""
    number = _get_guarantor_count(observations)
    if number is None:
        return skip_check("Not known: counting them needs a query.")
    if number and observations.report_length is not None:
        return pass_check(f"{_format_range(observations.report_length)} in the aging report.")
    if not number:
        advice = "If the practice is not new, check `clinics`, and whether this is the right database."
        return skip_check("No guarantor has a balance.", advice)
    return pass_check(f"{format_count(number, 'guarantor')} with a balance.")


def check_reader(observations: Observations) -> CheckResult:
    """Which reader the office will be read with."""
    configured = observations.spec.reader
    if configured is Reader.STATEMENT and isinstance(observations.control, Failure):
        advice = 'Set `reader = "auto"` so that oddaemon reads the office in pages.'
        return fail_check(
            f"The statement does not work at this office. {format_failure(observations.control)}",
            Owner.US,
            advice,
        )
    if configured is Reader.REPORT:
        wants_credits = observations.spec.include is Include.ALL
        if wants_credits and observations.report_rows >= MANY_REPORT_ROWS and not observations.report_credits:
            return pass_check(
                f"{BY_REPORT} No credit among {observations.report_rows:,} rows of it:"
                " credits seem not to be reported.",
                "Compare with an aging report in Open Dental that includes credits. If credits are missing, families"
                " with a credit count as settled; read the office by queries to see them.",
            )
        return pass_check(BY_REPORT)
    estimate = _estimate_pull(observations)
    if estimate is None:
        return skip_check("Not known: it can only be estimated with queries.")
    return pass_check(estimate.sentence)


def check_cost(observations: Observations) -> CheckResult:
    """Estimate the requests of one night."""
    estimate = _estimate_pull(observations)
    if estimate is None:
        return skip_check("Not known: it can only be estimated with queries.")
    cadence = observations.spec.cadence
    probes = PROBE_REQUESTS * ceil(cadence.start_window_seconds / 2 / cadence.probe_seconds)
    requests = SURVEY_REQUESTS + probes
    seconds = requests * _get_request_interval(observations) + estimate.seconds
    about = (
        "About" if observations.report_length is None or observations.report_length.at_most is not None else "At least"
    )
    return pass_check(
        f"{about} {requests + estimate.requests:,} requests, {seconds:,.0f} s of the key's time in all. Reading the"
        f" balances takes {estimate.requests:,} of them, {estimate.seconds:,.0f} s.",
    )


def _estimate_pull(observations: Observations) -> PullEstimate | None:
    """Estimate how this office will be read; None: not known."""
    number, rows = _get_guarantor_count(observations), observations.spec.page_rows
    configured = observations.spec.reader
    if number is None:
        return None
    interval_seconds = _get_request_interval(observations)
    if configured is Reader.REPORT:
        # Each clinic has its own list, whose last page may be empty.
        pages = count_report_requests(number, rows) + 2 * max(0, len(observations.spec.clinics) - 1)
        # The office computes the whole report for each of its pages.
        page_seconds = (
            max(interval_seconds, observations.report_seconds)
            if isinstance(observations.report_seconds, float)
            else interval_seconds
        )
        seconds = pages * page_seconds + REPORT_REQUESTS * interval_seconds
        return PullEstimate(Reader.REPORT, pages + REPORT_REQUESTS, seconds, BY_REPORT)
    pages = CONTROL_REQUESTS + ceil(number / rows)
    if configured is Reader.PAGES:
        return PullEstimate(Reader.PAGES, pages, pages * interval_seconds, f"In pages of {rows:,}, as configured.")
    if isinstance(observations.control, Failure):
        sentence = f"In pages: the statement does not work at this office. {format_failure(observations.control)}"
        return PullEstimate(Reader.PAGES, pages, pages * interval_seconds, sentence)
    if isinstance(observations.density, PatNumDensity) and _is_sparse(observations.density):
        return PullEstimate(
            Reader.PAGES, pages, pages * interval_seconds, "In pages: the PatNums are too sparse to pack."
        )
    return PullEstimate(Reader.STATEMENT, 1, interval_seconds, "In one statement.")


def _get_request_interval(observations: Observations) -> float:
    """Seconds from one request to the next."""
    return max(observations.min_interval_seconds, observations.seconds_per_request)


def _is_sparse(density: PatNumDensity) -> bool:
    """Whether even the widest packing puts too few guarantors into a row."""
    return density.groups > GROUPS_PLANNED and density.guarantors < GUARANTORS_PER_GROUP_MIN * density.groups


def _get_guarantor_count(observations: Observations) -> int | None:
    if isinstance(observations.control, ControlQueryResult):
        return observations.control.totals.guarantors
    if isinstance(observations.density, PatNumDensity):
        return observations.density.guarantors
    if observations.report_length is None:
        return None
    return (
        observations.report_length.at_least
        if observations.report_length.at_most is None
        else observations.report_length.at_most
    )


def _format_range(length: ReportLength) -> str:
    if length.at_least == length.at_most:
        return format_count(length.at_least, "guarantor")
    if length.at_most is None:
        return f"At least {format_count(length.at_least, 'guarantor')}"
    return f"{length.at_least:,} to {length.at_most:,} guarantors"


def _format_clinic_count(number: int) -> str:
    return f"{format_count(number, 'clinic')}." if number else "Clinics are not in use."


def _format_clinic_nums(clinic_nums: Sequence[int]) -> str:
    return ", ".join(map(str, clinic_nums))
