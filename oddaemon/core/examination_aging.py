"""The office's clock, the service that runs aging, and how aging stands there."""

from datetime import datetime, timedelta

from oddaemon.core.aging import BLOCKING, AgingStatus, evaluate, parse_datetime, parse_due_time
from oddaemon.core.clock import CLOCK_NOISE, OfficeClock, measured_skew
from oddaemon.core.examination import Clocks, Patient, Seen, Step, StepName, ok, untold, wrong
from oddaemon.core.letters import CLOCK_WRONG, NOT_CONFIGURED, SERVICE_DOWN, UNREADABLE, aging_letter
from oddaemon.core.model import Owner, Preferences

HEARTBEAT_MAX = timedelta(minutes=6)
"""Open Dental's own limit."""
CLOCK_ERROR_MAX = timedelta(minutes=5)
"""Of an office server's clock; the daemon copes with more, but other systems do not."""


def clock(patient: Patient, seen: Seen) -> Step:
    """The office server's clock against the true time and the configured zone."""
    if not isinstance(seen.clocks, Clocks):
        return untold(StepName.CLOCK, "Only a query can ask for the office's time.")
    clocks, zone = seen.clocks, patient.office.zone
    error = clocks.utc_now - clocks.at.replace(tzinfo=None)
    offset = clocks.office_now - clocks.utc_now
    shown = f"{clocks.office_now:%H:%M} there, which is UTC{_signed(offset)}"
    likely = " or ".join(seen.zones)
    if abs(error) > CLOCK_ERROR_MAX:
        side = "fast" if error > timedelta() else "slow"
        return wrong(
            StepName.CLOCK,
            f"The clock of the office's server is {_length(error)} {side}.",
            Owner.OFFICE,
            "Check this machine's own clock first; then ask the office to have its server's set by the internet.",
            aging_letter(CLOCK_WRONG),
        )
    if zone is None:
        advice = f'Write `timezone = "{seen.zones[0]}"`, if that is where it is.' if seen.zones else ""
        guess = f": {likely}" if likely else ""
        return untold(StepName.CLOCK, f"No timezone is configured. It is {shown}{guess}.", advice)
    expected = clocks.at.astimezone(zone).utcoffset() or timedelta()
    if abs(offset - expected) > CLOCK_NOISE:
        guess = f" Its clock would fit {likely}." if likely else ""
        return wrong(
            StepName.CLOCK,
            f"It is {shown}; {zone} would be UTC{_signed(expected)}.{guess}",
            Owner.US,
            "Correct `timezone`, or ask the office which zone its server is set to.",
        )
    return ok(StepName.CLOCK, f"It is {shown}, as {zone} should be.")


def _office_now(patient: Patient, seen: Seen) -> datetime | None:
    """What the office's clock says now, as far as it can be told."""
    clock = _office_clock(patient, seen)
    return None if clock is None else clock.local(seen.preferences_at or seen.at)


def _office_clock(patient: Patient, seen: Seen) -> OfficeClock | None:
    zone = patient.office.zone
    if isinstance(seen.clocks, Clocks):
        clocks = seen.clocks
        skew = measured_skew(zone, clocks.office_now, clocks.utc_now, clocks.at)
        return OfficeClock(skew=skew) if zone is None else OfficeClock(zone, skew)
    return None if zone is None else OfficeClock(zone)


def service(patient: Patient, seen: Seen) -> Step:
    """Whether the Open Dental Service, which runs aging, is alive."""
    now = _office_now(patient, seen)
    try:
        beat = parse_datetime(seen.preferences.get("OpenDentalServiceHeartbeat", ""))
    except ValueError as error:
        return untold(StepName.SERVICE, f"Its heartbeat cannot be read: {error}.")
    if beat is None:
        return untold(StepName.SERVICE, "The office shows no heartbeat of it.", "Ask whether the service is installed.")
    if now is None:
        return untold(StepName.SERVICE, "Without the office's time its heartbeat says nothing.")
    silent = now - beat
    if silent > HEARTBEAT_MAX:
        return wrong(
            StepName.SERVICE,
            f"It gave its last sign of life {_length(silent)} ago; while it is down no aging runs.",
            Owner.OFFICE,
            "Ask the office to start the Windows service OpenDentalService on its server.",
            aging_letter(SERVICE_DOWN),
        )
    return ok(StepName.SERVICE, "It is alive.")


def automation(_patient: Patient, seen: Seen) -> Step:
    """Whether aging runs by itself."""
    try:
        due = parse_due_time(seen.preferences.get("AgingServiceTimeDue", ""))
    except ValueError as error:
        advice = "Ask the office to set the Automated Aging Run Time anew."
        sentence = f"The time for it cannot be read: {error}."
        return wrong(StepName.AUTOMATION, sentence, Owner.OFFICE, advice, aging_letter(UNREADABLE))
    if due is None:
        return wrong(
            StepName.AUTOMATION,
            "It is switched off: balances are as old as the last aging by hand.",
            Owner.OFFICE,
            "Ask the office to set the Automated Aging Run Time.",
            aging_letter(NOT_CONFIGURED),
        )
    return ok(StepName.AUTOMATION, f"Every night at {due:%H:%M} on the office's clock.")


def aging(patient: Patient, seen: Seen) -> Step:
    """Whether aging did what it should have done by now."""
    clock, told, at = _office_clock(patient, seen), seen.preferences, seen.preferences_at or seen.at
    if clock is None:
        return untold(StepName.AGING, "Without the office's time and zone it cannot be judged.")
    preferences = Preferences(
        date_last_aging=told.get("DateLastAging", ""),
        aging_service_time_due=told.get("AgingServiceTimeDue", ""),
        aging_begin=told.get("AgingBeginDateTime", ""),
        monthly=told.get("AgingCalculatedMonthlyInsteadOfDaily", ""),
        program_version=told.get("ProgramVersion", ""),
        read_at=at,
    )
    aging = evaluate(preferences, clock, at, patient.cadence)
    if aging.status is AgingStatus.NOT_CONFIGURED:
        return untold(StepName.AGING, aging.reason)
    if aging.status in BLOCKING or aging.status is AgingStatus.MISSED:
        return wrong(StepName.AGING, aging.reason, aging.owner or Owner.OFFICE, aging.advice, aging.letter)
    return ok(StepName.AGING, aging.reason)


def _signed(offset: timedelta) -> str:
    minutes = round(offset / timedelta(minutes=1))
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def _length(length: timedelta) -> str:
    minutes = round(abs(length) / timedelta(minutes=1))
    if minutes < 120:  # noqa: PLR2004  up to two hours are told in minutes
        return f"{minutes} min"
    hours = round(minutes / 60)
    return f"{hours} h" if hours < 48 else f"{hours // 24} d"  # noqa: PLR2004  up to two days in hours
