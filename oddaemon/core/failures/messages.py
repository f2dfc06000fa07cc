"""What an operator can send, as it stands, to an office's manager or to Open Dental's support.

Each is polite, complete for somebody who has never heard of this program, and free of keys, patients and amounts.
"""

from collections.abc import Mapping
from typing import NamedTuple

from oddaemon.core.failures.failure import Failure, FailureKind
from oddaemon.core.model import Owner


class MessageTemplate(NamedTuple):
    """The heart of a letter: what we see, and what we ask for."""

    observation: str
    request: str


MESSAGE_TEMPLATES: Mapping[FailureKind, MessageTemplate] = {
    # To the office.
    FailureKind.TIMEOUT: MessageTemplate(
        "Your Open Dental server does not answer our requests in time.",
        "Could you please have somebody look whether the server is overloaded at night, for example by a backup or an"
        " update that runs at the same time?",
    ),
    FailureKind.GATEWAY_TIMEOUT: MessageTemplate(
        "Your Open Dental server takes longer than a minute to answer, which is the longest that Open Dental's API"
        " waits.",
        "Could you please have somebody look whether the server is overloaded at night, for example by a backup or an"
        " update that runs at the same time?",
    ),
    FailureKind.ECONNECTOR_DOWN: MessageTemplate(
        "Open Dental tells us that your eConnector is not running, or that two of them are.",
        "Could you please make sure that the Windows service OpenDentalEConnector is running on your server, and on no"
        " other computer? It can be started in the Windows list of services; if it stops again, Open Dental's support"
        " can help.",
    ),
    FailureKind.OFFICE_NETWORK: MessageTemplate(
        "Open Dental cannot reach your server over the internet.",
        "Could you please check that the server is switched on and that its internet connection works?",
    ),
    FailureKind.OFFICE_DATABASE: MessageTemplate(
        "The database of your Open Dental server reports an error of its own.",
        "Could you please have whoever looks after your server check the database (MySQL or MariaDB), its free disk"
        " space and its backups? Open Dental's support can help to check and repair tables.",
    ),
    FailureKind.VERSION_TOO_OLD: MessageTemplate(
        "Your version of Open Dental is too old for these requests.",
        "Could you please update Open Dental? Version 21.2 or any later one is enough.",
    ),
    FailureKind.KEY_UNASSIGNED: MessageTemplate(
        "Open Dental tells us that our API key is not assigned to your practice.",
        "Could you please open Setup, Advanced Setup, API in Open Dental and add the key that we gave you? We will"
        " gladly send it again by a safe way.",
    ),
    FailureKind.KEY_REJECTED: MessageTemplate(
        "Open Dental does not accept our API key for your practice any more.",
        "Could you please look in Setup, Advanced Setup, API in Open Dental whether the key was disabled or removed,"
        " and enable it again? If that was on purpose, just let us know.",
    ),
    FailureKind.KEY_NEVER_ACCEPTED: MessageTemplate(
        "Open Dental does not accept our API key for your practice yet.",
        "Could you please look in Setup, Advanced Setup, API in Open Dental whether our key is entered there and"
        " enabled? We will gladly send it again by a safe way.",
    ),
    FailureKind.OTHER_DATABASE: MessageTemplate(
        "Our API key for your practice opens the database of another practice, so we stopped at once.",
        "Could you please look in Setup, Advanced Setup, API in Open Dental whether our key is still the one of your"
        " practice, and tell us whether your practice was merged, moved or renamed lately?",
    ),
    FailureKind.AGING_CHANGED: MessageTemplate(
        "Aging was run again and again in your Open Dental just while we were reading.",
        "Could you please let aging run once a night at its set time, and not by hand in the early morning?",
    ),
    FailureKind.UNKNOWN_400: MessageTemplate(
        "Open Dental refuses our requests to your server for a reason that we do not know.",
        "Could you please check that your server is switched on, that Open Dental works on it and that the Windows"
        " service OpenDentalEConnector is running? If all is well there, please let us know, and we will ask Open"
        " Dental's support.",
    ),
    # To Open Dental's support.
    FailureKind.CONNECTION_LOST: MessageTemplate(
        "The connection breaks again and again in the middle of an answer.",
        "Could you please tell us whether something on the way to your API cuts long answers?",
    ),
    FailureKind.SERVER_ERROR: MessageTemplate(
        "Your API answers with an error of its own.",
        "Could you please tell us whether this is known, and when it is expected to work again?",
    ),
    FailureKind.KEY_CHANGING: MessageTemplate(
        "A new API key for one of the practices is not accepted yet, and the former one is not accepted any more.",
        "Could you please tell us whether the new key is on its way to the practice, and when it will be in force?",
    ),
    FailureKind.HEADQUARTERS_DOWN: MessageTemplate(
        "Your API answers none of our requests at the moment, whichever office they are for.",
        "Could you please tell us whether this is known, and when it is expected to work again?",
    ),
    FailureKind.GATEWAY_REFUSED: MessageTemplate(
        "Our requests are refused with a web page, as if a firewall in front of your API did not want them.",
        "Could you please check whether our network's address is suspended, and tell us what we should change?",
    ),
    FailureKind.QUERY_REFUSED: MessageTemplate(
        "Your API refuses one of our ShortQuery statements, which is a plain SELECT on the tables patient and"
        " preference.",
        "Could you please tell us which word or form of it is not allowed, and since when? We will gladly send the"
        " statement.",
    ),
    FailureKind.UNEXPECTED_STATUS: MessageTemplate(
        "Your API answers with a status that we do not find in its documentation.",
        "Could you please tell us what it means?",
    ),
    FailureKind.MALFORMED: MessageTemplate(
        "Answers of your API with status 200 cannot be read as JSON.",
        "Could you please check what is sent? We will gladly tell you the times of such requests.",
    ),
    FailureKind.INCOMPLETE: MessageTemplate(
        "Answers of a ShortQuery for one office lack rows: they do not add up to the COUNT and SUM of the same table,"
        " although nothing was changed there.",
        "Could you please check what happens to its rows on the way? We will gladly tell you the office and the times.",
    ),
}

STUCK_MESSAGE = MessageTemplate(
    "The nightly aging in your Open Dental stopped before it was finished and left its lock, so no new aging can run"
    " and the balances are not up to date.",
    "Could you please have an administrator open Setup, Miscellaneous in Open Dental, clear the lock of aging there,"
    " and then run aging by hand once?",
)
BROKEN_OFF_MESSAGE = MessageTemplate(
    "The last aging in your Open Dental was broken off, so some balances are from before it and some from after it.",
    "Could you please run aging by hand once? After that everything fits together again.",
)
MISSED_MESSAGE = MessageTemplate(
    "The nightly aging in your Open Dental did not run, so the balances are not up to date.",
    "Could you please check that the Windows service OpenDentalService is running on your server, and run aging by hand"
    " once? It starts aging only within an hour of the set time: a server that is switched off then misses that night.",
)
NOT_CONFIGURED_MESSAGE = MessageTemplate(
    "Automated aging is switched off in your Open Dental, so the balances are as old as the last aging by hand.",
    "Could you please set the Automated Aging Run Time in Open Dental, for example to 3:00 AM, and keep the Windows"
    " service OpenDentalService running on your server?",
)
FUTURE_MESSAGE = MessageTemplate(
    "Aging in your Open Dental was last run for a date in the future, so the balances are not those of today.",
    "Could you please check the date of your server and run aging again for today?",
)
SERVICE_DOWN_MESSAGE = MessageTemplate(
    "The Windows service OpenDentalService on your server has stopped, so the nightly aging in your Open Dental does"
    " not run.",
    "Could you please start it in the Windows list of services, and see that it starts by itself with the server? Open"
    " Dental's support can help if it stops again.",
)
CLOCK_WRONG_MESSAGE = MessageTemplate(
    "The clock of your Open Dental server shows a wrong time, so the nightly aging runs at another time than it is set"
    " to, and what you enter may bear a wrong date.",
    "Could you please have somebody set the server's clock by the internet (Windows: Date and time, Sync now)?",
)
UNREADABLE_MESSAGE = MessageTemplate(
    "One of the settings of aging in your Open Dental holds something that is neither a date nor a time.",
    "Could you please set the Automated Aging Run Time in Open Dental again, and run aging by hand once?",
)


def format_failure_message(failure: Failure) -> str:
    """What to send to the owner of a failure, or to the office if we find nothing to mend; empty where nobody helps."""
    template = MESSAGE_TEMPLATES.get(failure.kind)
    if template is None:
        return ""
    verb = "are to read" if failure.kind is FailureKind.KEY_NEVER_ACCEPTED else "read"
    return _format_message(template, failure.rule.owner, failure.message, verb)


def format_aging_message(template: MessageTemplate) -> str:
    """What to send to an office whose aging needs a hand."""
    return _format_message(template, Owner.OFFICE, "")


def _format_message(template: MessageTemplate, owner: Owner, error_text: str, verb: str = "read") -> str:
    message = f" The message that we get is: “{error_text}”" if error_text else ""
    if owner is Owner.VENDOR:
        return (
            "Hello Open Dental support! We read account balances of practices that use Open Dental, with their consent,"
            f" through your API. {template.observation}{message} {template.request} Thank you very much for your help!"
        )
    return (
        f"Hello! Every night, after the aging in your Open Dental, we {verb} your practice's account balances."
        f" {template.observation}{message} {template.request} Nothing was changed in your data."
        " Thank you very much for your help!"
    )
