"""Runs all checks of an office on what was observed, in one order."""

from collections.abc import Callable, Mapping

from oddaemon.core.diagnostics import aging_checks, balance_checks, network_checks, permission_checks
from oddaemon.core.diagnostics.diagnosis import CheckName, CheckResult, Observations, skip_check
from oddaemon.core.diagnostics.network_checks import find_failed_check, skip_blocked_check

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
_CHECKS: Mapping[CheckName, Callable[[Observations], CheckResult]] = {
    CheckName.DNS: network_checks.check_dns,
    CheckName.CONNECTION: network_checks.check_connection,
    CheckName.TLS: network_checks.check_tls,
    CheckName.API: network_checks.check_api,
    CheckName.DEVELOPER_KEY: network_checks.check_developer_key,
    CheckName.CUSTOMER_KEY: network_checks.check_customer_key,
    CheckName.ECONNECTOR: network_checks.check_econnector,
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
_NEEDS_NO_RESPONSE = frozenset({CheckName.DNS, CheckName.CONNECTION, CheckName.TLS})
_NEEDS_ANY_RESPONSE = frozenset({CheckName.API, CheckName.DEVELOPER_KEY, CheckName.CUSTOMER_KEY, CheckName.ECONNECTOR})
"""Every other check needs all responses: an incomplete set of them gives no verdict."""
_NEEDS_PREFERENCES = frozenset({CheckName.SERVICE, CheckName.AUTOMATION, CheckName.AGING})


def run_checks(observations: Observations) -> dict[CheckName, CheckResult]:
    """Run every check, in the order of `CheckName`. Never raises, whatever was observed.

    A failure on the way to the office blocks all later checks.
    """
    results: dict[CheckName, CheckResult] = {}
    blocker: CheckName | None = None
    for name, check in _CHECKS.items():
        if blocker is not None:
            results[name] = skip_blocked_check(blocker)
        elif (failed := find_failed_check(name, observations)) is not None:
            results[name], blocker = failed, name
        elif _is_interrupted(name, observations):
            results[name] = skip_check("Skipped: the daemon stopped first.")
        elif observations.preferences_failure is not None and name in _NEEDS_PREFERENCES:
            is_too_old = permission_checks.is_too_old(observations)
            results[name] = skip_blocked_check(CheckName.VERSION if is_too_old else CheckName.PREFERENCES)
        else:
            results[name] = check(observations)
    return results


def _is_interrupted(name: CheckName, observations: Observations) -> bool:
    """Whether the daemon stopped before the responses that the check needs."""
    if name in _NEEDS_NO_RESPONSE:
        return False
    if name in _NEEDS_ANY_RESPONSE:
        return not _has_response(observations)
    return observations.interrupted and not (name is CheckName.QUERIES and observations.clocks is not None)


def _has_response(observations: Observations) -> bool:
    return (
        observations.clocks is not None
        or bool(observations.preferences)
        or observations.preferences_failure is not None
    )
