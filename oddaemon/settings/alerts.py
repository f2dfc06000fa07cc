"""`[alerts]`: how often mornings are looked at, and whom to tell that one is over."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field
from pydantic_core import PydanticCustomError

from oddaemon.settings.address import checked_ping_url
from oddaemon.settings.credentials import Flaw, find_key, sources_of
from oddaemon.settings.document import Document
from oddaemon.settings.problem import Findings, Problem
from oddaemon.settings.secret import Secret
from oddaemon.settings.table import Seconds, Table


class Alerts(Table):
    """`[alerts]`: the watch over each morning, and the sign of life after it."""

    look_seconds: Seconds = 60.0
    """Between two looks whether somebody's `fresh_by` has passed."""
    ping_url: Secret | None = None
    """Asked after each night; who knows it can pretend that all is well, so it is a secret. None: nobody is told."""
    ping_on_miss: Literal["fail", "silence"] = "fail"
    """After a missed night: `/fail` behind the URL's path, as healthchecks.io has it, or nothing at all."""
    ping_timeout_seconds: Seconds = 10.0
    """For one attempt, from the first to the last byte."""
    ping_attempts: int = Field(5, ge=1, le=100)
    ping_pause_seconds: Seconds = 5.0
    """After the first attempt; doubles with each further one."""


def ping_url(main: Document, environment: Mapping[str, str], findings: Findings) -> Secret | None:
    """The URL that `[alerts]` names, in one of three ways; what is wrong with it goes to `findings`."""
    written = main.table.get("alerts", {})
    if not isinstance(written, dict) or not any(source in written for source in sources_of("ping_url")):
        return None
    found = find_key(main, ("alerts",), written, "ping_url", environment, check=_checked)
    if isinstance(found, Problem):
        findings.problems.append(found)
        return None
    return found


def _checked(url: str) -> Secret | Flaw:
    try:
        return Secret(checked_ping_url(url))
    except PydanticCustomError as error:
        context = error.context or {}
        return Flaw(str(context["message"]), str(context["hint"]))
