"""`[alerts]`: how often deadlines are checked, and the heartbeat ping after each night."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field
from pydantic_core import PydanticCustomError

from oddaemon.core.secret import Secret
from oddaemon.settings.files.document import TomlDocument
from oddaemon.settings.files.problem import Diagnostics, Problem
from oddaemon.settings.files.secret_sources import find_secret, get_source_names
from oddaemon.settings.tables.base import Seconds, Table
from oddaemon.settings.values.secret import InvalidSecret
from oddaemon.settings.values.url import validate_ping_url


class AlertSettings(Table):
    """`[alerts]`: the checks of deadlines, and the heartbeat ping after each night."""

    look_seconds: Seconds = 60.0
    """Between two checks of whether an office's `fresh_by` has passed."""
    ping_url: Secret | None = None
    """Requested after each night. It is a secret: a client that knows it can report success. None: no ping."""
    ping_on_miss: Literal["fail", "silence"] = "fail"
    """After a missed night: request the URL with `/fail` appended, as healthchecks.io defines it, or no request."""
    ping_timeout_seconds: Seconds = 10.0
    """For one attempt, from the first to the last byte."""
    ping_attempts: int = Field(5, ge=1, le=100)
    ping_pause_seconds: Seconds = 5.0
    """After the first attempt; doubles with each further one."""


def find_ping_url(main: TomlDocument, environment: Mapping[str, str], diagnostics: Diagnostics) -> Secret | None:
    """Find the URL of `[alerts]`, which has three possible sources; problems go to `diagnostics`."""
    written = main.table.get("alerts", {})
    if not isinstance(written, dict) or not any(source in written for source in get_source_names("ping_url")):
        return None
    found = find_secret(main, ("alerts",), written, "ping_url", environment, check=_check_ping_url)
    if isinstance(found, Problem):
        diagnostics.problems.append(found)
        return None
    return found


def _check_ping_url(url: str) -> Secret | InvalidSecret:
    try:
        return Secret(validate_ping_url(url))
    except PydanticCustomError as error:
        context = error.context or {}
        return InvalidSecret(str(context["message"]), str(context["hint"]))
