"""Messages that an operator can send, as they are, to an office's manager or to Open Dental's support.

Each is polite, complete for a reader who has never heard of this program, and free of keys, patients and amounts. It
asserts only what was observed, and asks about the rest.
"""

from oddaemon.core.failures.failure import FAILURE_TEXTS, Failure, FailureKind
from oddaemon.core.model import Owner


def format_failure_message(failure: Failure) -> str:
    """Format the message for the owner of a failure, or for the office if the owner finds no cause; "": none helps."""
    _, _, observation, request = FAILURE_TEXTS[failure.kind]
    if not observation:
        return ""
    verb = "would like to read" if failure.kind is FailureKind.KEY_NEVER_ACCEPTED else "read"
    return _format_message(failure.kind.owner, observation, request, failure.message, verb)


def _format_message(owner: Owner, observation: str, request: str, error_text: str = "", verb: str = "read") -> str:
    message = f" The error message is: “{error_text}”" if error_text else ""
    if owner is Owner.VENDOR:
        return (
            "Hello Open Dental support! We read account balances of practices that use Open Dental, with their consent,"
            f" through your API. {observation}{message} {request} Thank you very much for your help!"
        )
    return (
        f"Hello! Every night, after the aging in your Open Dental, we {verb} your practice's account balances."
        f" {observation}{message} {request} We only read, so nothing was changed in your data."
        " Thank you very much for your help!"
    )


# To an office whose aging needs attention.

STUCK_MESSAGE = _format_message(
    Owner.OFFICE,
    "An aging run in your Open Dental began and does not seem to have finished: its lock is still set. While it is set,"
    " aging may not run again, and the balances may not be up to date.",
    "Could you please ask an administrator to open Setup > Preferences > Account - General in Open Dental (before"
    " version 22.2: Setup > Miscellaneous), clear the aging lock there, and then run aging by hand once?",
)
BROKEN_OFF_MESSAGE = _format_message(
    Owner.OFFICE,
    "An aging run in your Open Dental seems to have stopped before it finished, so some balances may be from before it"
    " and some from after it.",
    "Could you please run aging by hand once? After that, all balances are from one run again.",
)
MISSED_MESSAGE = _format_message(
    Owner.OFFICE,
    "The nightly aging in your Open Dental has not run at its scheduled time, as far as we can see, so the balances are"
    " not up to date.",
    "Could you please check that the Windows service OpenDentalService is running on your server, and run aging by hand"
    " once? The service starts aging only within one hour of the scheduled time. If the server is off during that hour,"
    " aging does not run that night.",
)
NOT_CONFIGURED_MESSAGE = _format_message(
    Owner.OFFICE,
    "No automated aging run time is set in your Open Dental, so the balances are only as recent as the last aging that"
    " was run by hand.",
    "Could you please set the automated aging run time, for example to 3:00 AM, in Setup > Preferences > Account -"
    " General in Open Dental (before version 22.2: Setup > Miscellaneous), and keep the Windows service"
    " OpenDentalService running on your server?",
)
FUTURE_MESSAGE = _format_message(
    Owner.OFFICE,
    "Aging in your Open Dental was last run for a date in the future, so the balances are not those of today.",
    "Could you please check the date of your server and run aging again for today?",
)
SERVICE_DOWN_MESSAGE = _format_message(
    Owner.OFFICE,
    "The Windows service OpenDentalService on your server seems to have stopped. Without it, the nightly aging in your"
    " Open Dental does not run.",
    "Could you please start it in the Windows list of services, and make sure that it starts with the server? Open"
    " Dental support can help if it stops again.",
)
CLOCK_WRONG_MESSAGE = _format_message(
    Owner.OFFICE,
    "The clock of your Open Dental server seems to be wrong. The nightly aging then runs at another time than"
    " scheduled, and new entries may get a wrong date.",
    "Could you please have someone set the server's clock from the internet (Windows: Date and time, Sync now)?",
)
UNREADABLE_MESSAGE = _format_message(
    Owner.OFFICE,
    "One of the aging settings in your Open Dental contains something that is neither a date nor a time.",
    "Could you please set the automated aging run time in Open Dental again, and run aging by hand once?",
)
