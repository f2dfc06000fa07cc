"""Messages that an operator can send, as they are, to an office's manager or to Open Dental's support.

Each is polite, complete for a reader who has never heard of this program, and free of keys, patients and amounts. It
asserts only what was observed, and asks about the rest.
"""

from collections.abc import Mapping
from typing import NamedTuple

from oddaemon.core.failures.failure import Failure, FailureKind
from oddaemon.core.model import Owner


class MessageTemplate(NamedTuple):
    """The variable part of a message."""

    observation: str
    request: str


MESSAGE_TEMPLATES: Mapping[FailureKind, MessageTemplate] = {
    # To the office.
    FailureKind.TIMEOUT: MessageTemplate(
        "Your Open Dental server did not answer our requests in time.",
        "Could you please have someone check whether the server is overloaded at night, for example by a backup or an"
        " update that runs at the same time?",
    ),
    FailureKind.GATEWAY_TIMEOUT: MessageTemplate(
        "Your Open Dental server took longer than one minute to answer, which is the limit of the Open Dental API.",
        "Could you please have someone check whether the server is overloaded at night, for example by a backup or an"
        " update that runs at the same time?",
    ),
    FailureKind.ECONNECTOR_DOWN: MessageTemplate(
        "Open Dental reports that your eConnector is not running, or that more than one is running.",
        "Could you please make sure that the Windows service OpenDentalEConnector is running on your server, and on no"
        " other computer? You can start it in the Windows list of services. If it stops again, Open Dental support can"
        " help.",
    ),
    FailureKind.OFFICE_NETWORK: MessageTemplate(
        "Open Dental reports that it cannot reach your server over the internet.",
        "Could you please check that the server is running and that its internet connection works?",
    ),
    FailureKind.OFFICE_DATABASE: MessageTemplate(
        "The database of your Open Dental server reports an error.",
        "Could you please have the person who maintains your server check the database (MySQL or MariaDB), its free"
        " disk space and its backups? Open Dental support can help to check and repair tables.",
    ),
    FailureKind.VERSION_TOO_OLD: MessageTemplate(
        "Your version of Open Dental is too old for our requests.",
        "Could you please update Open Dental? We need version 21.2 or later.",
    ),
    FailureKind.KEY_UNASSIGNED: MessageTemplate(
        "Open Dental reports that our API key is not assigned to your practice.",
        "Could you please open Setup > Advanced Setup > API in Open Dental and add the key that we gave you? We will"
        " gladly send it again in a secure way.",
    ),
    FailureKind.KEY_REJECTED: MessageTemplate(
        "Open Dental no longer accepts our API key for your practice.",
        "Could you please check in Setup > Advanced Setup > API in Open Dental whether the key was disabled or removed,"
        " and enable it again? If that was intended, please let us know.",
    ),
    FailureKind.KEY_NEVER_ACCEPTED: MessageTemplate(
        "Open Dental does not accept our API key for your practice yet.",
        "Could you please check in Setup > Advanced Setup > API in Open Dental whether our key is entered there and"
        " enabled? We will gladly send it again in a secure way.",
    ),
    FailureKind.OTHER_DATABASE: MessageTemplate(
        "Our API key for your practice seems to open the database of another practice, so we stopped at once.",
        "Could you please check in Setup > Advanced Setup > API in Open Dental whether our key is still the one of your"
        " practice, and tell us whether your practice was merged, moved or renamed recently?",
    ),
    FailureKind.AGING_CHANGED: MessageTemplate(
        "Aging ran in your Open Dental while we were reading the balances.",
        "Could you please let aging run once a night at its scheduled time, and not by hand in the early morning?",
    ),
    FailureKind.UNKNOWN_400: MessageTemplate(
        "Open Dental refuses our requests to your server for a reason that we do not know.",
        "Could you please check that your server is running, that Open Dental works on it and that the Windows service"
        " OpenDentalEConnector is running? If all of that is fine, please let us know, and we will contact Open Dental"
        " support.",
    ),
    # To Open Dental's support.
    FailureKind.CONNECTION_LOST: MessageTemplate(
        "The connection to your API is repeatedly lost in the middle of a response.",
        "Could you please tell us whether something between your API and us cuts long responses?",
    ),
    FailureKind.SERVER_ERROR: MessageTemplate(
        "Your API answers with an internal error.",
        "Could you please tell us whether this problem is known, and when you expect it to be fixed?",
    ),
    FailureKind.KEY_CHANGING: MessageTemplate(
        "A new API key for one of the practices is not accepted yet, and the previous key is no longer accepted.",
        "Could you please tell us whether the new key is on its way to the practice, and when it will be active?",
    ),
    FailureKind.HEADQUARTERS_DOWN: MessageTemplate(
        "Your API currently answers none of our requests, for any office.",
        "Could you please tell us whether this problem is known, and when you expect it to be fixed?",
    ),
    FailureKind.GATEWAY_REFUSED: MessageTemplate(
        "Our requests are refused, it seems by a firewall or gateway in front of your API.",
        "Could you please check whether our network's IP address is suspended, and tell us what we should change?",
    ),
    FailureKind.QUERY_REFUSED: MessageTemplate(
        "Your API refuses one of our ShortQuery statements, which is a plain SELECT on the tables patient and"
        " preference.",
        "Could you please tell us which word or construct in it is not allowed, and since when? We will gladly send you"
        " the statement.",
    ),
    FailureKind.UNEXPECTED_STATUS: MessageTemplate(
        "Your API answers with a status that we cannot find in its documentation.",
        "Could you please tell us what it means?",
    ),
    FailureKind.MALFORMED: MessageTemplate(
        "Responses of your API with status 200 are not valid JSON.",
        "Could you please check what your API sends? We will gladly tell you the times of such requests.",
    ),
    FailureKind.INCOMPLETE: MessageTemplate(
        "Responses to a ShortQuery for one office are incomplete: their rows do not add up to the COUNT and SUM that"
        " the same office reports.",
        "Could you please check whether rows are lost on the way? We will gladly tell you the office and the times.",
    ),
}

STUCK_MESSAGE = MessageTemplate(
    "An aging run in your Open Dental began and does not seem to have finished: its lock is still set. While it is set,"
    " aging may not run again, and the balances may not be up to date.",
    "Could you please ask an administrator to open Setup > Preferences > Account - General in Open Dental (before"
    " version 22.2: Setup > Miscellaneous), clear the aging lock there, and then run aging by hand once?",
)
BROKEN_OFF_MESSAGE = MessageTemplate(
    "An aging run in your Open Dental seems to have stopped before it finished, so some balances may be from before it"
    " and some from after it.",
    "Could you please run aging by hand once? After that, all balances are from one run again.",
)
MISSED_MESSAGE = MessageTemplate(
    "The nightly aging in your Open Dental has not run at its scheduled time, as far as we can see, so the balances are"
    " not up to date.",
    "Could you please check that the Windows service OpenDentalService is running on your server, and run aging by hand"
    " once? The service starts aging only within one hour of the scheduled time. If the server is off during that hour,"
    " aging does not run that night.",
)
NOT_CONFIGURED_MESSAGE = MessageTemplate(
    "No automated aging run time is set in your Open Dental, so the balances are only as recent as the last aging that"
    " was run by hand.",
    "Could you please set the automated aging run time, for example to 3:00 AM, in Setup > Preferences > Account -"
    " General in Open Dental (before version 22.2: Setup > Miscellaneous), and keep the Windows service"
    " OpenDentalService running on your server?",
)
FUTURE_MESSAGE = MessageTemplate(
    "Aging in your Open Dental was last run for a date in the future, so the balances are not those of today.",
    "Could you please check the date of your server and run aging again for today?",
)
SERVICE_DOWN_MESSAGE = MessageTemplate(
    "The Windows service OpenDentalService on your server seems to have stopped. Without it, the nightly aging in your"
    " Open Dental does not run.",
    "Could you please start it in the Windows list of services, and make sure that it starts with the server? Open"
    " Dental support can help if it stops again.",
)
CLOCK_WRONG_MESSAGE = MessageTemplate(
    "The clock of your Open Dental server seems to be wrong. The nightly aging then runs at another time than"
    " scheduled, and new entries may get a wrong date.",
    "Could you please have someone set the server's clock from the internet (Windows: Date and time, Sync now)?",
)
UNREADABLE_MESSAGE = MessageTemplate(
    "One of the aging settings in your Open Dental contains something that is neither a date nor a time.",
    "Could you please set the automated aging run time in Open Dental again, and run aging by hand once?",
)


def format_failure_message(failure: Failure) -> str:
    """Format the message for the owner of a failure, or for the office if the owner finds no cause; "": none helps."""
    template = MESSAGE_TEMPLATES.get(failure.kind)
    if template is None:
        return ""
    verb = "would like to read" if failure.kind is FailureKind.KEY_NEVER_ACCEPTED else "read"
    return _format_message(template, failure.rule.owner, failure.message, verb)


def format_aging_message(template: MessageTemplate) -> str:
    """Format the message to an office whose aging needs attention."""
    return _format_message(template, Owner.OFFICE, "")


def _format_message(template: MessageTemplate, owner: Owner, error_text: str, verb: str = "read") -> str:
    message = f" The error message is: “{error_text}”" if error_text else ""
    if owner is Owner.VENDOR:
        return (
            "Hello Open Dental support! We read account balances of practices that use Open Dental, with their consent,"
            f" through your API. {template.observation}{message} {template.request} Thank you very much for your help!"
        )
    return (
        f"Hello! Every night, after the aging in your Open Dental, we {verb} your practice's account balances."
        f" {template.observation}{message} {template.request} We only read, so nothing was changed in your data."
        " Thank you very much for your help!"
    )
