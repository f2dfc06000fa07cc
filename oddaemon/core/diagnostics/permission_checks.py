"""Checks of what the key may do at the office, and of whether the office lists it as ours."""

from dataclasses import replace

from oddaemon.core.diagnostics.diagnosis import (
    CheckName,
    CheckResult,
    Observations,
    PatNumDensity,
    RegisteredKeys,
    fail_check_due_to,
    format_failure,
    pass_check,
    skip_check,
)
from oddaemon.core.diagnostics.network_checks import skip_blocked_check
from oddaemon.core.failures.failure import Failure, FailureKind
from oddaemon.core.model import Reader
from oddaemon.core.office.aging import parse_version
from oddaemon.core.reporting.formatting import format_count

QUERIES_SINCE = (21, 2)
REPORTS_SINCE = (21, 4)
CRASH_SAFE_SINCE = (22, 2)
"""From this version on, a run keeps balances while it ages."""


def check_version(observations: Observations) -> CheckResult:
    """Check the version of Open Dental: old ones answer no queries."""
    text = observations.preferences.get("ProgramVersion", "")
    numbers = parse_version(text)
    for response in (observations.clocks, observations.preferences_failure):
        if isinstance(response, Failure) and response.kind is FailureKind.VERSION_TOO_OLD:
            return fail_check_due_to(Failure(FailureKind.VERSION_TOO_OLD, text or response.message))
    if numbers is None:
        return skip_check("Not known: the office did not report its version.")
    if numbers < QUERIES_SINCE:
        return fail_check_due_to(Failure(FailureKind.VERSION_TOO_OLD, text))
    if numbers < CRASH_SAFE_SINCE:
        sentence = f"Open Dental {text}. Before 22.2, a crashed aging run blocks the next until its lock is cleared."
        return pass_check(sentence, "Recommend an update of Open Dental to the office.")
    return pass_check(f"Open Dental {text}.")


def is_too_old(observations: Observations) -> bool:
    """Whether the office is too old even for reading preferences."""
    return (
        observations.preferences_failure is not None
        and observations.preferences_failure.kind is FailureKind.VERSION_TOO_OLD
    )


def check_preferences_permission(observations: Observations) -> CheckResult:
    """Whether the key may GET preferences."""
    if is_too_old(observations):
        return skip_blocked_check(CheckName.VERSION)
    if observations.preferences_failure is not None:
        return fail_check_due_to(
            observations.preferences_failure,
            "Give the key the Read All permission in the developer portal.",
        )
    return pass_check("Yes.")


def check_queries_permission(observations: Observations) -> CheckResult:
    """Whether the key may run a ShortQuery."""
    by_report = observations.spec.reader is Reader.REPORT
    match observations.clocks:
        case Failure() as failure if failure.kind is FailureKind.VERSION_TOO_OLD:
            return skip_blocked_check(CheckName.VERSION)
        case Failure() if by_report:
            return skip_check("No, but not needed: this office is read through the aging report.")
        case Failure() as failure:
            is_missing = failure.kind is FailureKind.UNKNOWN_401
            return fail_check_due_to(replace(failure, kind=FailureKind.PERMISSION_MISSING) if is_missing else failure)
        case _ if _is_query_user_restricted(observations):
            return _check_restricted_user(observations)
        case _ if by_report:
            advice = 'Set `tier = "standard"` to read the office in one statement instead of two long reports.'
            return pass_check("Yes, but this office is read through the aging report.", advice)
        case _:
            return pass_check("Yes.")


def _check_restricted_user(observations: Observations) -> CheckResult:
    """The office runs queries as a database user with fewer rights: its balances alone are enough."""
    failure = Failure(FailureKind.QUERY_USER_RESTRICTED)
    if not isinstance(observations.density, PatNumDensity):
        return fail_check_due_to(failure)
    return pass_check("Yes, but only of the table patient: oddaemon reads the office in pages.", failure.kind.advice)


def _is_query_user_restricted(observations: Observations) -> bool:
    """Whether the office's query user may not read all tables of the statement."""
    control = observations.control
    return isinstance(control, Failure) and control.kind is FailureKind.QUERY_USER_RESTRICTED


def check_reports_permission(observations: Observations) -> CheckResult:
    """Whether the key may read the aging report, and how long that takes."""
    version = parse_version(observations.preferences.get("ProgramVersion", ""))
    match observations.report_seconds:
        case (
            Failure(kind=FailureKind.PERMISSION_MISSING | FailureKind.KEY_REJECTED | FailureKind.UNKNOWN_401) as failure
        ):
            denied = Failure(FailureKind.PERMISSION_MISSING, failure.message, failure.status)
            advice = (
                "Give the key the Read All permission in the developer portal. Past days cannot be read without it."
            )
            return fail_check_due_to(denied, advice)
        case Failure(kind=FailureKind.GATEWAY_TIMEOUT | FailureKind.TIMEOUT):
            advice = "Use `--via sftp` for past days. The nightly balances are not affected."
            return pass_check("Yes, but the report takes longer than the API's time limit.", advice)
        case Failure() as failure:
            return skip_check(format_failure(failure), failure.kind.advice)
        case None if version is not None and version < REPORTS_SINCE:
            return skip_check("Open Dental has reports from version 21.4 on.")
        case None:
            return skip_check("Skipped.")
        case seconds:
            return pass_check(f"Yes. The aging report takes {seconds:.1f} s.")


def check_our_key(observations: Observations) -> CheckResult:
    """Whether the office's own table of keys holds the configured key."""
    match observations.registered_keys:
        case RegisteredKeys(ours=True):
            return pass_check("The office lists it.")
        case RegisteredKeys(count=0):
            advice = (
                "Check that `[api] developer_name` is spelled as in the developer portal. The list may also be old."
            )
            return skip_check(f"The office lists no key of “{observations.developer_name}”.", advice)
        case RegisteredKeys(count=count):
            # Open Dental copies its keys into this table when that window is opened: a missing row proves nothing.
            return skip_check(
                f"The office lists {format_count(count, 'key')} of ours, but not this one, although it opens its"
                " database. The list is a copy and may be old.",
                "If the key stops working, ask the office to open Setup > Advanced Setup > API, which updates the list,"
                " and to check which key is enabled there.",
            )
        case Failure() as failure:
            return skip_check(format_failure(failure))
        case None if not observations.developer_name:
            advice = "Set `[api] developer_name` as the developer portal shows it to enable this check."
            return skip_check("Skipped: `[api] developer_name` is not configured.", advice)
        case _:
            return skip_check("Not known: this needs a query.")
