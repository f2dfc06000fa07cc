"""Checks of the office's clock, of the service that runs aging, and of aging itself."""

from datetime import UTC, datetime, timedelta

from oddaemon.core.dates import parse_datetime, parse_due_time
from oddaemon.core.diagnostics.diagnosis import (
    CheckResult,
    Clocks,
    Observations,
    fail_check,
    pass_check,
    skip_check,
)
from oddaemon.core.failures.aging_messages import (
    CLOCK_WRONG_MESSAGE,
    SERVICE_DOWN_MESSAGE,
    make_not_configured_message,
    make_unreadable_message,
)
from oddaemon.core.model import AgingMark, ControlQueryResult, Owner, Preferences
from oddaemon.core.office.aging import BLOCKING_STATUSES, AgingStatus, evaluate_aging, parse_release
from oddaemon.core.office.clock import CLOCK_NOISE, OfficeClock, compute_skew
from oddaemon.core.reporting.formatting import format_duration

HEARTBEAT_AGE_MAX = timedelta(minutes=6)
"""The limit that Open Dental itself uses."""
CLOCK_ERROR_MAX = timedelta(minutes=5)
"""The largest tolerated error of an office server's clock. The daemon copes with more; other systems do not."""


def check_clock(observations: Observations) -> CheckResult:
    """Compare the office server's clock with our own and with the configured zone."""
    if not isinstance(observations.clocks, Clocks):
        return skip_check("Not known: reading the office's time needs a query.")
    clocks, zone = observations.clocks, observations.spec.zone
    error = clocks.utc_now - clocks.at.replace(tzinfo=None)
    offset = clocks.office_now - clocks.utc_now
    office_time = f"{clocks.office_now:%H:%M} at the office (UTC{_format_utc_offset(offset)})"
    likely = " or ".join(observations.zones)
    if abs(error) > CLOCK_ERROR_MAX:
        side = "fast" if error > timedelta() else "slow"
        return fail_check(
            f"The clock of the office's server is {format_duration(error)} {side}, compared with this machine.",
            Owner.OFFICE,
            "Check this machine's own clock first. Then ask the office to set its server's clock from the internet.",
            CLOCK_WRONG_MESSAGE,
        )
    if zone is None:
        advice = (
            f'Set `timezone = "{observations.zones[0]}"` if the office is in that zone.' if observations.zones else ""
        )
        guess = f". Matching zones: {likely}" if likely else ""
        return skip_check(f"No timezone is configured. It is {office_time}{guess}.", advice)
    expected = clocks.at.astimezone(zone).utcoffset() or timedelta()
    if abs(offset - expected) > CLOCK_NOISE:
        guess = f" Matching zones: {likely}." if likely else ""
        return fail_check(
            f"It is {office_time}, but {zone} is UTC{_format_utc_offset(expected)}.{guess}",
            Owner.US,
            "Correct `timezone`, or ask the office which zone its server is set to.",
        )
    return pass_check(f"It is {office_time}, as expected for {zone}.")


def _get_office_now(observations: Observations) -> datetime | None:
    """The office's time now, if it is known."""
    clock = _make_office_clock(observations)
    return None if clock is None else clock.to_local(observations.preferences_at or observations.at)


def _make_office_clock(observations: Observations) -> OfficeClock | None:
    zone = observations.spec.zone
    if isinstance(observations.clocks, Clocks):
        clocks = observations.clocks
        skew = compute_skew(zone, clocks.office_now, clocks.utc_now, clocks.at)
        return OfficeClock(zone or UTC, skew)
    return None if zone is None else OfficeClock(zone)


def check_service(observations: Observations) -> CheckResult:
    """Whether the Open Dental Service, which runs aging, is running."""
    now = _get_office_now(observations)
    try:
        heartbeat = parse_datetime(observations.preferences.get("OpenDentalServiceHeartbeat", ""))
    except ValueError as error:
        return skip_check(f"Its heartbeat cannot be parsed: {error}.")
    if heartbeat is None:
        return skip_check(
            "The office reports no heartbeat of it.",
            "Ask the office whether the service is installed.",
        )
    if now is None:
        return skip_check("Not known: its heartbeat can only be judged with the office's time.")
    silence = now - heartbeat
    if silence > HEARTBEAT_AGE_MAX:
        return fail_check(
            f"Its last heartbeat was {format_duration(silence)} ago. While it is down, no automated aging runs.",
            Owner.OFFICE,
            "Ask the office to start the service OpenDentalService in the Service Manager. For an office on Open Dental"
            " Cloud, ask Open Dental support.",
            SERVICE_DOWN_MESSAGE,
        )
    return pass_check("It is running.")


def check_automated_aging(observations: Observations) -> CheckResult:
    """Whether an automated aging run time is set."""
    version = parse_release(observations.preferences.get("ProgramVersion", ""))
    try:
        due = parse_due_time(observations.preferences.get("AgingServiceTimeDue", ""))
    except ValueError as error:
        advice = "Ask the office to set the automated aging run time again."
        sentence = f"Its run time cannot be parsed: {error}."
        return fail_check(sentence, Owner.OFFICE, advice, make_unreadable_message(version))
    if due is None:
        return fail_check(
            "No run time is set: balances are as old as the last aging that was run by hand.",
            Owner.OFFICE,
            "Ask the office to set the automated aging run time.",
            make_not_configured_message(version),
        )
    return pass_check(f"Every night at {due:%H:%M} on the office's clock.")


def check_aging(observations: Observations) -> CheckResult:
    """Whether aging has run when it was due."""
    clock, values, at = (
        _make_office_clock(observations),
        observations.preferences,
        observations.preferences_at or observations.at,
    )
    if clock is None:
        return skip_check("Not known: it can only be judged with the office's time and zone.")
    # A GET may be answered from a cache or a replica: the table itself decides where it was asked.
    reported = AgingMark(values.get("DateLastAging", ""), values.get("AgingBeginDateTime", ""))
    control = observations.control
    mark = (
        AgingMark(control.date_last_aging, control.aging_begin) if isinstance(control, ControlQueryResult) else reported
    )
    preferences = Preferences(
        date_last_aging=mark.date_last_aging,
        aging_service_time_due=values.get("AgingServiceTimeDue", ""),
        aging_begin=mark.aging_begin,
        monthly=values.get("AgingCalculatedMonthlyInsteadOfDaily", ""),
        program_version=values.get("ProgramVersion", ""),
        read_at=at,
    )
    aging = evaluate_aging(preferences, clock, at, observations.spec.cadence)
    if aging.status is AgingStatus.NOT_CONFIGURED:
        return skip_check(aging.reason)
    if aging.status in BLOCKING_STATUSES or aging.status is AgingStatus.MISSED:
        return fail_check(aging.reason, aging.owner or Owner.OFFICE, aging.advice, aging.message)
    return pass_check(aging.reason)


def _format_utc_offset(offset: timedelta) -> str:
    minutes = round(offset / timedelta(minutes=1))
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
