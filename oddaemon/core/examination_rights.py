"""What the key may do at the office, and whether the office knows it as ours."""

import re

from oddaemon.core.examination import HeldKeys, Patient, Seen, Step, StepName, counted, failed, ok, told, untold, wrong
from oddaemon.core.examination_way import not_tried
from oddaemon.core.failure import Failure, Kind
from oddaemon.core.letters import letter_about
from oddaemon.core.model import Owner, Reader

QUERIES_SINCE = (21, 2)
REPORTS_SINCE = (21, 4)
CAREFUL_SINCE = (22, 2)
"""From here on a run keeps balances while it ages, and a crashed one is gone over after a day."""


def version_numbers(text: str) -> tuple[int, int] | None:
    """The first two numbers of `25.4.48.0`; None where there are none."""
    numbers = re.findall(r"\d{1,9}", text)
    return (int(numbers[0]), int(numbers[1])) if len(numbers) > 1 else None


def version(_patient: Patient, seen: Seen) -> Step:
    """Of the office's Open Dental: old ones answer no queries."""
    text = seen.preferences.get("ProgramVersion", "")
    numbers = version_numbers(text)
    for answer in (seen.clocks, seen.preferences_failure):
        if isinstance(answer, Failure) and answer.kind is Kind.VERSION_TOO_OLD:
            return failed(StepName.VERSION, Failure(Kind.VERSION_TOO_OLD, text or answer.message))
    if numbers is None:
        return untold(StepName.VERSION, "The office does not tell its version.")
    if numbers < QUERIES_SINCE:
        return failed(StepName.VERSION, Failure(Kind.VERSION_TOO_OLD, text))
    if numbers < CAREFUL_SINCE:
        told = f"Open Dental {text}: before 22.2 a run of aging that crashed blocks the next until somebody clears it."
        return ok(StepName.VERSION, told, "An update of Open Dental would mend that.")
    return ok(StepName.VERSION, f"Open Dental {text}.")


def is_too_old(seen: Seen) -> bool:
    """Whether the office does not even know the question for a preference."""
    return seen.preferences_failure is not None and seen.preferences_failure.kind is Kind.VERSION_TOO_OLD


def may_read_preferences(_patient: Patient, seen: Seen) -> Step:
    """Whether the key may GET preferences."""
    if is_too_old(seen):
        return not_tried(StepName.PREFERENCES, StepName.VERSION)
    if seen.preferences_failure is not None:
        return failed(StepName.PREFERENCES, seen.preferences_failure, "Give the key Read All in the developer portal.")
    return ok(StepName.PREFERENCES, "Yes.")


def may_query(patient: Patient, seen: Seen) -> Step:
    """Whether the key may run a ShortQuery."""
    by_report = patient.office.reader is Reader.REPORT
    match seen.clocks:
        case Failure() as failure if failure.kind is Kind.VERSION_TOO_OLD:
            return not_tried(StepName.QUERIES, StepName.VERSION)
        case Failure() if by_report:
            return untold(StepName.QUERIES, "No, and it need not: this office is read by the aging report.")
        case Failure() as failure if failure.kind is Kind.UNKNOWN_401:
            return failed(StepName.QUERIES, Failure(Kind.PERMISSION_MISSING, failure.message, failure.status))
        case Failure() as failure:
            return failed(StepName.QUERIES, failure)
        case _ if by_report:
            advice = 'With `tier = "standard"` the office is read in one statement instead of two long reports.'
            return ok(StepName.QUERIES, "Yes, though this office is read by the aging report.", advice)
        case _:
            return ok(StepName.QUERIES, "Yes.")


def may_read_reports(_patient: Patient, seen: Seen) -> Step:
    """Whether the key may read the aging report, and how long that takes."""
    since = version_numbers(seen.preferences.get("ProgramVersion", ""))
    match seen.report:
        case Failure(kind=Kind.PERMISSION_MISSING | Kind.KEY_REJECTED | Kind.UNKNOWN_401) as failure:
            denied = Failure(Kind.PERMISSION_MISSING, failure.message, failure.status)
            advice = "Give the key Read All in the developer portal: without it no other day than today can be read."
            return failed(StepName.REPORTS, denied, advice)
        case Failure(kind=Kind.GATEWAY_TIMEOUT | Kind.TIMEOUT):
            advice = "For other days than today use `--via sftp`; the nightly balances are not concerned."
            return ok(StepName.REPORTS, "Yes, but the report takes longer than the API waits.", advice)
        case Failure() as failure:
            return untold(StepName.REPORTS, told(failure), failure.rule.advice)
        case None if since is not None and since < REPORTS_SINCE:
            return untold(StepName.REPORTS, "Open Dental has them from 21.4 on.")
        case None:
            return untold(StepName.REPORTS, "Not tried.")
        case seconds:
            return ok(StepName.REPORTS, f"Yes; the aging report takes {seconds:.1f} s.")


def our_key(patient: Patient, seen: Seen) -> Step:
    """Whether the office's own table of keys holds the configured one."""
    match seen.held:
        case HeldKeys(ours=True):
            return ok(StepName.OUR_KEY, "The office holds it.")
        case HeldKeys(count=0):
            advice = "See whether `[api] developer_name` is spelt as in the developer portal."
            return untold(StepName.OUR_KEY, f"The office holds no key of “{patient.developer_name}”.", advice)
        case HeldKeys(count=count):
            return wrong(
                StepName.OUR_KEY,
                f"The office holds {counted(count, 'key')} of ours, but not this one, though it opens its database.",
                Owner.OFFICE,
                "Ask the office which key is enabled in Setup, Advanced Setup, API; the configured one may end soon.",
                letter_about(Failure(Kind.KEY_UNASSIGNED)),
            )
        case Failure() as failure:
            return untold(StepName.OUR_KEY, told(failure))
        case None if not patient.developer_name:
            advice = "Set `[api] developer_name`, as the developer portal shows it, to have this compared."
            return untold(StepName.OUR_KEY, "Our name at the office is not configured.", advice)
        case _:
            return untold(StepName.OUR_KEY, "Only a query can tell.")
