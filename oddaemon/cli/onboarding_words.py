"""What people write for an office in one line or one cell, and what they are told when it is there."""

import re
from collections.abc import Iterable
from typing import Any

from oddaemon.cli.asking import NotRunningError, reply_of
from oddaemon.settings import Settings

NEVER = "never"
"""For `fresh_by`: what is empty is the default there, as everywhere."""
_BETWEEN = re.compile(r"[;,\s]+")


def clinics_of(text: str) -> list[Any]:
    """ClinicNums, with blanks, commas or semicolons between; what is no number stays a text, for the check to find."""
    return [int(part) if part.isascii() and part.isdecimal() else part for part in _BETWEEN.split(text.strip()) if part]


def labels_of(parts: Iterable[str]) -> dict[str, Any]:
    """Labels from `key=value`, one or several with semicolons between; what has no value is none, for the check."""
    pairs = (pair.partition("=") for part in parts for pair in part.split(";") if pair.strip())
    return {name.strip(): text.strip() if equals else None for name, equals, text in pairs}


def fresh_by_of(text: str) -> str:
    """A time of day as it is; `never` is none."""
    return "" if text.strip().casefold() == NEVER else text.strip()


def what_happens_next(settings: Settings, offices: int = 1) -> str:
    """Whether a daemon takes the offices up by itself, or what to do so that one does."""
    what = "it" if offices == 1 else "them"
    socket = settings.http.control_socket
    try:
        if socket is None:
            return f"`oddaemon run` watches {what}."
        reply_of(socket, "GET", "/plan")
    except NotRunningError:
        return f"No daemon runs; `oddaemon run` watches {what}."
    if not settings.daemon.watch:
        return f"`oddaemon reload` has the running daemon take {what} up."
    seconds = f"{settings.daemon.debounce_seconds:g} s"
    return f"The running daemon takes {what} up by itself within about {seconds}: see `oddaemon status`."
