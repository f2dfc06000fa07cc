"""What an office says in each condition, in the words of the real ones."""

from collections.abc import Mapping
from typing import NamedTuple

from oddaemon.core.model import Condition, Owner

ECONNECTOR = (
    "Hello! Every night, after the aging in your Open Dental, we read your practice's account balances. Open Dental"
    " tells us that your eConnector is not running, or that two of them are. Could you please make sure that the"
    " Windows service OpenDentalEConnector is running on your server, and on no other computer? It can be started in"
    " the Windows list of services; if it stops again, Open Dental's support can help. Nothing was changed in your"
    " data. Thank you very much for your help!"
)

KEY_REJECTED = (
    "Hello! Every night, after the aging in your Open Dental, we read your practice's account balances. Open Dental"
    " does not accept our API key for your practice any more. Could you please look in Setup, Advanced Setup, API in"
    " Open Dental whether the key was disabled or removed, and enable it again? If that was on purpose, just let us"
    " know. Nothing was changed in your data. Thank you very much for your help!"
)


class ConditionText(NamedTuple):
    reason: str
    owner: Owner | None = None
    advice: str = ""
    message: str = ""


CONDITION_TEXTS: Mapping[Condition, ConditionText] = {
    Condition.FRESH: ConditionText("Aging of 2026-03-03 is complete."),
    Condition.WAITING: ConditionText("Aging of 2026-03-02 is complete."),
    Condition.AGING: ConditionText("Aging has been running since 04:17 on the office's clock."),
    Condition.PULLING: ConditionText(
        "Reading the balances of the aging of 2026-03-03 in pages, because the API refuses the query."
    ),
    Condition.LATE: ConditionText(
        "Aging did not start within its hour after 02:00 on 2026-03-03; the last run was on 2026-03-02.",
        Owner.OFFICE,
        "Ask the office whether the Open Dental Service is running on its server, and to run aging by hand.",
        ECONNECTOR.replace("eConnector", "Open Dental Service"),
    ),
    Condition.UNREACHABLE: ConditionText(
        "The office's eConnector is not running: “eConnector is not running for this office” (HTTP 400).",
        Owner.OFFICE,
        "Ask the office to start the OpenDentalEConnector service on its server.",
        ECONNECTOR,
    ),
    Condition.BLOCKED: ConditionText(
        "The API does not accept the key (HTTP 401): the customer key is disabled.",
        Owner.OFFICE,
        "Check the key in the developer portal; ask the office whether it disabled it.",
        KEY_REJECTED,
    ),
    Condition.SUSPECT: ConditionText(
        "Its total fell by 71 % in one night, with nothing touched to explain it; it is read again before anybody"
        " sees it.",
        Owner.US,
        "Compare with the office; `oddaemon office accept` believes it at once.",
    ),
    Condition.PAUSED: ConditionText("Switched off in the configuration.", Owner.US, "Set `enabled = true` to go on."),
}
