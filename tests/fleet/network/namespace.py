"""A network namespace with a cable to this machine, which can be pulled out.

Unlike a proxy it sends no sign at all: what is under way is lost and sent again by the operating system, and whether a
connection lives is known only by waiting. Needs Linux, root and `ip` (Debian: iproute2).
"""

import ctypes
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

OUTER_ADDRESS, INNER_ADDRESS = "10.213.97.1", "10.213.97.2"
_PREFIX = "/30"


def find_missing_privilege() -> str:
    """What this machine lacks for a namespace; empty: nothing."""
    if shutil.which("ip") is None:
        return "no ip (Debian: apt-get install iproute2)"
    if os.geteuid() != 0:
        return "only root can make a network namespace"
    name = f"oddaemon-try-{os.getpid()}"
    done = subprocess.run(["ip", "netns", "add", name], check=False, capture_output=True, text=True)
    if done.returncode:
        return f"no network namespace can be made here: {done.stderr.strip()}"
    _run_ip("netns", "delete", name)
    return ""


class NetworkNamespace:
    """A namespace that is there."""

    def __init__(self, name: str, device: str) -> None:
        self._name = name
        self._device = device

    def open_listener(self) -> socket.socket:
        """A socket that listens in the namespace, on a free port of `INNER_ADDRESS`."""
        found: list[socket.socket] = []
        # A thread that has entered a namespace does not come back: it ends.
        thread = threading.Thread(target=lambda: found.append(self._listen()))
        thread.start()
        thread.join()
        return found[0]

    def _listen(self) -> socket.socket:
        libc = ctypes.CDLL(None, use_errno=True)
        with Path("/run/netns", self._name).open("rb") as namespace:
            if libc.setns(namespace.fileno(), 0):
                raise OSError(ctypes.get_errno(), "The namespace cannot be entered.")
        return socket.create_server((INNER_ADDRESS, 0))

    def unplug(self) -> None:
        """Pull the cable out."""
        _run_ip("-n", self._name, "link", "set", self._device, "down")

    def plug(self) -> None:
        """Put it in again."""
        _run_ip("-n", self._name, "link", "set", self._device, "up")


@contextmanager
def network_namespace() -> Iterator[NetworkNamespace]:
    """A namespace for the length of the block; this machine has `OUTER_ADDRESS` at its end of the cable."""
    number = os.getpid()
    name, outer, inner = f"oddaemon-{number}", f"odo{number}", f"odi{number}"
    _run_ip("netns", "add", name)
    try:
        _run_ip("link", "add", outer, "type", "veth", "peer", "name", inner, "netns", name)
        _run_ip("address", "add", OUTER_ADDRESS + _PREFIX, "dev", outer)
        _run_ip("link", "set", outer, "up")
        _run_ip("-n", name, "address", "add", INNER_ADDRESS + _PREFIX, "dev", inner)
        namespace = NetworkNamespace(name, inner)
        namespace.plug()
        yield namespace
    finally:
        _run_ip("netns", "delete", name)


def _run_ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
