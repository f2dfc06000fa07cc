"""What people write for an office in one line or one cell, and what they are told when it is there."""

import re
from collections.abc import Iterable
from typing import Any

from oddaemon.cli.sources.daemon_client import DaemonNotRunning, request
from oddaemon.settings import Settings

NEVER = "never"
"""For `fresh_by`: what is empty is the default there, as everywhere."""
_SEPARATOR = re.compile(r"[;,\s]+")


def parse_clinics(text: str) -> list[Any]:
    """ClinicNums, with blanks, commas or semicolons between; what is no number stays a text, for the check to find."""
    return [
        int(part) if part.isascii() and part.isdecimal() else part for part in _SEPARATOR.split(text.strip()) if part
    ]


def parse_labels(parts: Iterable[str]) -> dict[str, Any]:
    """Labels from `key=value`, one or several with semicolons between; what has no value is none, for the check."""
    pairs = (pair.partition("=") for part in parts for pair in part.split(";") if pair.strip())
    return {name.strip(): text.strip() if equals else None for name, equals, text in pairs}


def parse_fresh_by(text: str) -> str:
    """A time of day as it is; `never` is none."""
    return "" if text.strip().casefold() == NEVER else text.strip()


def describe_next_step(settings: Settings, offices: int = 1) -> str:
    """Whether a daemon takes the offices up by itself, or what to do so that one does."""
    pronoun = "it" if offices == 1 else "them"
    socket = settings.http.control_socket
    try:
        if socket is None:
            return f"`oddaemon run` watches {pronoun}."
        request(socket, "GET", "/plan")
    except DaemonNotRunning:
        return f"No daemon runs; `oddaemon run` watches {pronoun}."
    if not settings.daemon.watch:
        return f"`oddaemon reload` has the running daemon take {pronoun} up."
    seconds = f"{settings.daemon.debounce_seconds:g} s"
    return f"The running daemon takes {pronoun} up by itself within about {seconds}: see `oddaemon status`."
