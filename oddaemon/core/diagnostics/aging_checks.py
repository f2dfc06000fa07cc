"""The office's clock, the service that runs aging, and how aging stands there."""

from datetime import datetime, timedelta

from oddaemon.core.dates import parse_datetime, parse_due_time
from oddaemon.core.diagnostics.diagnosis import (
    CheckedOffice,
    CheckName,
    CheckResult,
    Clocks,
    Observations,
    fail_check,
    pass_check,
    skip_check,
)
from oddaemon.core.failures.messages import (
    CLOCK_WRONG_MESSAGE,
    NOT_CONFIGURED_MESSAGE,
    SERVICE_DOWN_MESSAGE,
    UNREADABLE_MESSAGE,
    format_aging_message,
)
from oddaemon.core.model import Owner, Preferences
from oddaemon.core.office.aging import BLOCKING_STATUSES, AgingStatus, evaluate_aging
from oddaemon.core.office.clock import CLOCK_NOISE, OfficeClock, compute_skew

HEARTBEAT_AGE_MAX = timedelta(minutes=6)
"""Open Dental's own limit."""
CLOCK_ERROR_MAX = timedelta(minutes=5)
"""Of an office server's clock; the daemon copes with more, but other systems do not."""


def check_clock(checked_office: CheckedOffice, observations: Observations) -> CheckResult:
    """The office server's clock against the true time and the configured zone."""
    if not isinstance(observations.clocks, Clocks):
        return skip_check(CheckName.CLOCK, "Only a query can ask for the office's time.")
    clocks, zone = observations.clocks, checked_office.office.zone
    error = clocks.utc_now - clocks.at.replace(tzinfo=None)
    offset = clocks.office_now - clocks.utc_now
    office_time = f"{clocks.office_now:%H:%M} there, which is UTC{_format_utc_offset(offset)}"
    likely = " or ".join(observations.zones)
    if abs(error) > CLOCK_ERROR_MAX:
        side = "fast" if error > timedelta() else "slow"
        return fail_check(
            CheckName.CLOCK,
            f"The clock of the office's server is {_format_duration(error)} {side}.",
            Owner.OFFICE,
            "Check this machine's own clock first; then ask the office to have its server's set by the internet.",
            format_aging_message(CLOCK_WRONG_MESSAGE),
        )
    if zone is None:
        advice = f'Write `timezone = "{observations.zones[0]}"`, if that is where it is.' if observations.zones else ""
        guess = f": {likely}" if likely else ""
        return skip_check(CheckName.CLOCK, f"No timezone is configured. It is {office_time}{guess}.", advice)
    expected = clocks.at.astimezone(zone).utcoffset() or timedelta()
    if abs(offset - expected) > CLOCK_NOISE:
        guess = f" Its clock would fit {likely}." if likely else ""
        return fail_check(
            CheckName.CLOCK,
            f"It is {office_time}; {zone} would be UTC{_format_utc_offset(expected)}.{guess}",
            Owner.US,
            "Correct `timezone`, or ask the office which zone its server is set to.",
        )
    return pass_check(CheckName.CLOCK, f"It is {office_time}, as {zone} should be.")


def _get_office_now(checked_office: CheckedOffice, observations: Observations) -> datetime | None:
    """What the office's clock says now, as far as it can be told."""
    clock = _make_office_clock(checked_office, observations)
    return None if clock is None else clock.to_local(observations.preferences_at or observations.at)


def _make_office_clock(checked_office: CheckedOffice, observations: Observations) -> OfficeClock | None:
    zone = checked_office.office.zone
    if isinstance(observations.clocks, Clocks):
        clocks = observations.clocks
        skew = compute_skew(zone, clocks.office_now, clocks.utc_now, clocks.at)
        return OfficeClock(skew=skew) if zone is None else OfficeClock(zone, skew)
    return None if zone is None else OfficeClock(zone)


def check_service(checked_office: CheckedOffice, observations: Observations) -> CheckResult:
    """Whether the Open Dental Service, which runs aging, is alive."""
    now = _get_office_now(checked_office, observations)
    try:
        heartbeat = parse_datetime(observations.preferences.get("OpenDentalServiceHeartbeat", ""))
    except ValueError as error:
        return skip_check(CheckName.SERVICE, f"Its heartbeat cannot be read: {error}.")
    if heartbeat is None:
        return skip_check(
            CheckName.SERVICE, "The office shows no heartbeat of it.", "Ask whether the service is installed."
        )
    if now is None:
        return skip_check(CheckName.SERVICE, "Without the office's time its heartbeat says nothing.")
    silence = now - heartbeat
    if silence > HEARTBEAT_AGE_MAX:
        return fail_check(
            CheckName.SERVICE,
            f"It gave its last sign of life {_format_duration(silence)} ago; while it is down no aging runs.",
            Owner.OFFICE,
            "Ask the office to start the Windows service OpenDentalService on its server.",
            format_aging_message(SERVICE_DOWN_MESSAGE),
        )
    return pass_check(CheckName.SERVICE, "It is alive.")


def check_automated_aging(_checked_office: CheckedOffice, observations: Observations) -> CheckResult:
    """Whether aging runs by itself."""
    try:
        due = parse_due_time(observations.preferences.get("AgingServiceTimeDue", ""))
    except ValueError as error:
        advice = "Ask the office to set the Automated Aging Run Time anew."
        sentence = f"The time for it cannot be read: {error}."
        return fail_check(
            CheckName.AUTOMATION, sentence, Owner.OFFICE, advice, format_aging_message(UNREADABLE_MESSAGE)
        )
    if due is None:
        return fail_check(
            CheckName.AUTOMATION,
            "It is switched off: balances are as old as the last aging by hand.",
            Owner.OFFICE,
            "Ask the office to set the Automated Aging Run Time.",
            format_aging_message(NOT_CONFIGURED_MESSAGE),
        )
    return pass_check(CheckName.AUTOMATION, f"Every night at {due:%H:%M} on the office's clock.")


def check_aging(checked_office: CheckedOffice, observations: Observations) -> CheckResult:
    """Whether aging did what it should have done by now."""
    clock, values, at = (
        _make_office_clock(checked_office, observations),
        observations.preferences,
        observations.preferences_at or observations.at,
    )
    if clock is None:
        return skip_check(CheckName.AGING, "Without the office's time and zone it cannot be judged.")
    preferences = Preferences(
        date_last_aging=values.get("DateLastAging", ""),
        aging_service_time_due=values.get("AgingServiceTimeDue", ""),
        aging_begin=values.get("AgingBeginDateTime", ""),
        monthly=values.get("AgingCalculatedMonthlyInsteadOfDaily", ""),
        program_version=values.get("ProgramVersion", ""),
        read_at=at,
    )
    aging = evaluate_aging(preferences, clock, at, checked_office.cadence)
    if aging.status is AgingStatus.NOT_CONFIGURED:
        return skip_check(CheckName.AGING, aging.reason)
    if aging.status in BLOCKING_STATUSES or aging.status is AgingStatus.MISSED:
        return fail_check(CheckName.AGING, aging.reason, aging.owner or Owner.OFFICE, aging.advice, aging.message)
    return pass_check(CheckName.AGING, aging.reason)


def _format_utc_offset(offset: timedelta) -> str:
    minutes = round(offset / timedelta(minutes=1))
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def _format_duration(duration: timedelta) -> str:
    minutes = round(abs(duration) / timedelta(minutes=1))
    if minutes < 120:  # noqa: PLR2004  up to two hours are told in minutes
        return f"{minutes} min"
    hours = round(minutes / 60)
    return f"{hours} h" if hours < 48 else f"{hours // 24} d"  # noqa: PLR2004  up to two days in hours
