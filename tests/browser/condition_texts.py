"""What an office says in each condition, in the words of the real ones."""

from collections.abc import Mapping
from typing import NamedTuple

from oddaemon.core.failures.failure import Failure, FailureKind
from oddaemon.core.failures.messages import format_failure_message
from oddaemon.core.model import Condition, Owner

ECONNECTOR = format_failure_message(Failure(FailureKind.ECONNECTOR_DOWN))
KEY_REJECTED = format_failure_message(Failure(FailureKind.KEY_REJECTED))


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
        "Reading the balances of the aging of 2026-03-03 in pages, because the API refused the query."
    ),
    Condition.LATE: ConditionText(
        "Aging did not start within one hour after 02:00 on 2026-03-03. It last ran on 2026-03-02.",
        Owner.OFFICE,
        "Ask the office to check that the Open Dental Service is running on its server and to run aging.",
        ECONNECTOR.replace("eConnector", "Open Dental Service"),
    ),
    Condition.UNREACHABLE: ConditionText(
        "The office's eConnector is not running: “eConnector is not running for this office” (HTTP 400).",
        Owner.OFFICE,
        FailureKind.ECONNECTOR_DOWN.advice,
        ECONNECTOR,
    ),
    Condition.BLOCKED: ConditionText(
        "The API does not accept the key (HTTP 401): the customer key is disabled.",
        Owner.OFFICE,
        FailureKind.KEY_REJECTED.advice,
        KEY_REJECTED,
    ),
    Condition.SUSPECT: ConditionText(
        "Its total fell by 71 % in one night, with nothing touched to explain it; it is read again before"
        " it is published.",
        Owner.US,
        "Compare with the office; `oddaemon office accept` believes it at once.",
    ),
    Condition.PAUSED: ConditionText("Disabled in the configuration.", Owner.US, "Set `enabled = true` to resume."),
}
