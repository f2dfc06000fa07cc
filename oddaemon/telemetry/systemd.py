"""Notifications to systemd over the socket in `NOTIFY_SOCKET`; without it they do nothing.

They never wait and never fail: a service manager that does not listen is no reason to stop.
"""

import os
import socket
import time
from contextlib import suppress


def notify_ready() -> None:
    """The configuration is applied; also ends `reloading`."""
    notify("READY=1")


def notify_status(text: str) -> None:
    """What `systemctl status` shows; line ends become spaces."""
    notify(f"STATUS={' '.join(text.split())}")


def notify_stopping() -> None:
    """The daemon drains."""
    notify("STOPPING=1")


def notify_watchdog() -> None:
    """The engine made progress. Nothing else may send this, or a stuck engine looks alive."""
    notify("WATCHDOG=1")


def notify_reloading() -> None:
    """A reload has begun; `notify_ready` must follow, whether or not it succeeded."""
    notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")


def extend_timeout(seconds: float) -> None:
    """The start or the stop needs longer; the next notification follows within `seconds`."""
    notify(f"EXTEND_TIMEOUT_USEC={seconds * 1e6:.0f}")


def is_available() -> bool:
    """Whether a service manager listens."""
    return bool(os.environ.get("NOTIFY_SOCKET"))


def get_watchdog_seconds() -> float | None:
    """The watchdog timeout of systemd; None: the watchdog is off."""
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    return int(microseconds) / 1e6 if microseconds.isdecimal() and int(microseconds) > 0 else None


def notify(state: str) -> None:
    """Send `state` ("KEY=value" lines) to NOTIFY_SOCKET, a path or an abstract "@name"."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as connection:
        connection.setblocking(False)
        connection.sendto(state.encode(), address)
