"""Messages that an operator can send, as they are, to an office's manager or to Open Dental's support.

Each is polite, complete for a reader who has never heard of this program, and free of keys, patients and amounts. It
asserts only what was observed, and asks about the rest.
"""

from oddaemon.core.failures.failure import FAILURE_TEXTS, Failure, FailureKind
from oddaemon.core.model import Owner

CLOUD_HINT = (
    "If you use Open Dental Cloud, Open Dental runs this service for you: please ask Open Dental support to do this."
)
"""The Service Manager is not open to users of Open Dental Cloud."""


def format_failure_message(failure: Failure) -> str:
    """Format the message for the owner of a failure, or for the office if the owner finds no cause; "": none helps."""
    _, _, observation, request = FAILURE_TEXTS[failure.kind]
    if not observation:
        return ""
    verb = "would like to read" if failure.kind is FailureKind.KEY_NEVER_ACCEPTED else "read"
    return _format_message(failure.kind.owner, observation, request, failure.message, verb)


def format_office_message(observation: str, request: str) -> str:
    """Format a message to the office about something that is not a failure of a request."""
    return _format_message(Owner.OFFICE, observation, request)


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
