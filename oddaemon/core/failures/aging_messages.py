"""Messages to an office whose aging needs attention, true for its version of Open Dental.

Where a setting is and what a lock prevents changed over the years. A version that is not known gets both answers. An
office on Open Dental Cloud cannot start services: the vendor runs them, and nothing shows which office that is.
"""

from oddaemon.core.failures.messages import CLOUD_HINT, format_office_message

Version = tuple[int, int, int]
"""The first three numbers of a version; None where it cannot be parsed."""

SETTINGS_MOVED_IN: Version = (22, 2, 0)
"""From this version on, the settings of aging are in Setup > Preferences; before, in Setup > Miscellaneous."""
ENTERPRISE_SETUP_UNTIL: Version = (24, 0, 0)
"""Before this version, practices with the Enterprise Setup set the run time there."""
OLD_LOCK_IGNORED_IN: tuple[Version, ...] = ((23, 3, 44), (24, 1, 14), (24, 2, 1))
"""The first release of each branch that ignores a lock older than 24 hours; so do all later branches."""

_PREFERENCES = "Setup > Preferences > Account - General"
_MISCELLANEOUS = "Setup > Miscellaneous"


def ignores_old_lock(version: Version | None) -> bool:
    """Whether the office's next run ignores a lock that is older than 24 hours. An unknown version may not."""
    if version is None:
        return False
    return version >= max((first for first in OLD_LOCK_IGNORED_IN if first[:2] <= version[:2]), default=(999, 0, 0))


def describe_lock_place(version: Version | None) -> str:
    """Where an administrator clears the lock of aging."""
    modern = f"{_PREFERENCES}, button Clear (a user with the SecurityAdmin permission)"
    return _choose_by_version(version, _MISCELLANEOUS, modern)


def describe_run_time_place(version: Version | None) -> str:
    """Where the automated aging run time is set."""
    place = _choose_by_version(version, _MISCELLANEOUS, f"{_PREFERENCES}, “Automated aging run time”")
    if version is None or version < ENTERPRISE_SETUP_UNTIL:
        place += "; up to version 23, practices with the Enterprise Setup set “Aging Service Time Due” there"
    return place


def make_stuck_message(version: Version | None) -> str:
    """A lock has been held for too long."""
    consequence = (
        "While it is set, aging may not run tonight, and the balances may not be up to date."
        if ignores_old_lock(version)
        else "While it is set, no aging can run, and the balances may not be up to date."
    )
    return format_office_message(
        "Aging of all or of some families in your Open Dental began and does not seem to have ended: its lock is still"
        f" set. {consequence}",
        "Could you please ask an administrator to check that no aging is running, to clear its lock"
        f" ({describe_lock_place(version)}), and then to run aging by hand once?",
    )


def make_not_configured_message(version: Version | None) -> str:
    """No automated run time is set."""
    return format_office_message(
        "No automated aging run time is set in your Open Dental, so the balances are only as recent as the last aging"
        " that was run by hand.",
        "Could you please set the automated aging run time, for example to 3:00 AM"
        f" ({describe_run_time_place(version)}), and keep the service OpenDentalService running? {CLOUD_HINT}",
    )


def make_unreadable_message(version: Version | None) -> str:
    """A preference of aging cannot be parsed."""
    return format_office_message(
        "One of the aging settings in your Open Dental contains something that is neither a date nor a time.",
        "Could you please set the automated aging run time in Open Dental again"
        f" ({describe_run_time_place(version)}), and run aging by hand once?",
    )


BROKEN_OFF_MESSAGE = format_office_message(
    "Aging of all or of some families in your Open Dental began, and ended without a new aging date. If it was a run of"
    " all families that stopped before it finished, some balances may be from before it and some from after it:"
    " versions before 22.2 write them one after another.",
    "Could you please run aging by hand once? After that, all balances are from one run again.",
)
MISSED_MESSAGE = format_office_message(
    "The nightly aging in your Open Dental has not run at its scheduled time, as far as we can see, so the balances are"
    " not up to date.",
    "Could you please check that the service OpenDentalService is running (Main Menu > Tools > Misc Tools > Service"
    " Manager, on the computer where it is installed), and run aging by hand once? The service starts aging only within"
    f" one hour of the scheduled time. If it does not run during that hour, there is no aging that night. {CLOUD_HINT}",
)
FUTURE_MESSAGE = format_office_message(
    "Aging in your Open Dental was last run for a date in the future, so the balances are not those of today.",
    "Could you please check the date of your server and run aging again for today?",
)
SERVICE_DOWN_MESSAGE = format_office_message(
    "The service OpenDentalService of your Open Dental seems to have stopped. Without it, the nightly aging does not"
    " run.",
    "Could you please start it in Main Menu > Tools > Misc Tools > Service Manager, on the computer where it is"
    f" installed, and make sure that it starts with that computer? {CLOUD_HINT} Open Dental support can also help if it"
    " stops again.",
)
CLOCK_WRONG_MESSAGE = format_office_message(
    "The clock of your Open Dental server seems to be wrong. The nightly aging then runs at another time than"
    " scheduled, and new entries may get a wrong date.",
    "Could you please have someone set the server's clock from the internet (Windows: Date and time, Sync now)?",
)


def _choose_by_version(version: Version | None, before: str, since: str) -> str:
    if version is None:
        return f"{since}; before version 22.2: {before}"
    return before if version < SETTINGS_MOVED_IN else since
