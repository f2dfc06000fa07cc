"""Runs all checks of an office on what was observed, in one order."""

from collections.abc import Callable, Iterator, Mapping

from oddaemon.core.diagnostics import aging_checks, balance_checks, permission_checks
from oddaemon.core.diagnostics.diagnosis import CheckedOffice, CheckName, CheckOutcome, CheckResult, Observations
from oddaemon.core.diagnostics.network_checks import run_network_checks, skip_blocked_check, skip_interrupted_check
from oddaemon.core.diagnostics.permission_checks import is_too_old

PREFERENCES = (
    "ProgramVersion",
    "PracticeTitle",
    "AgingBeginDateTime",
    "DateLastAging",
    "AgingServiceTimeDue",
    "AgingCalculatedMonthlyInsteadOfDaily",
    "OpenDentalServiceHeartbeat",
)
"""The preferences to read, in this order: the lock of aging before its date."""
_OFFICE_CHECKS: Mapping[CheckName, Callable[[CheckedOffice, Observations], CheckResult]] = {
    CheckName.VERSION: permission_checks.check_version,
    CheckName.PREFERENCES: permission_checks.check_preferences_permission,
    CheckName.QUERIES: permission_checks.check_queries_permission,
    CheckName.REPORTS: permission_checks.check_reports_permission,
    CheckName.CLOCK: aging_checks.check_clock,
    CheckName.SERVICE: aging_checks.check_service,
    CheckName.AUTOMATION: aging_checks.check_automated_aging,
    CheckName.AGING: aging_checks.check_aging,
    CheckName.CLINICS: balance_checks.check_clinics,
    CheckName.GUARANTORS: balance_checks.check_guarantors,
    CheckName.READER: balance_checks.check_reader,
    CheckName.COST: balance_checks.check_cost,
    CheckName.OUR_KEY: permission_checks.check_our_key,
}
_NEEDS_PREFERENCES = frozenset({CheckName.SERVICE, CheckName.AUTOMATION, CheckName.AGING})


def run_checks(checked_office: CheckedOffice, observations: Observations) -> tuple[CheckResult, ...]:
    """Run every check, in the order of `CheckName`. Never raises, whatever was observed."""
    network_results = tuple(run_network_checks(checked_office, observations))
    blocker = next((check.name for check in network_results if check.outcome is CheckOutcome.FAILED), None)
    return (*network_results, *_run_office_checks(checked_office, observations, blocker))


def _run_office_checks(
    checked_office: CheckedOffice, observations: Observations, blocker: CheckName | None
) -> Iterator[CheckResult]:
    for name, check in _OFFICE_CHECKS.items():
        if blocker is not None:
            yield skip_blocked_check(name, blocker)
        elif observations.interrupted and not (name is CheckName.QUERIES and observations.clocks is not None):
            # An incomplete set of responses gives no verdict.
            yield skip_interrupted_check(name)
        elif observations.preferences_failure is not None and name in _NEEDS_PREFERENCES:
            yield skip_blocked_check(name, CheckName.VERSION if is_too_old(observations) else CheckName.PREFERENCES)
        else:
            yield check(checked_office, observations)
