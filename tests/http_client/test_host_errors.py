"""Which errors of a connection are this machine's own trouble."""

import errno
import os
import resource
import socket
import ssl
from collections.abc import Iterator

import httpx
import pytest

from oddaemon.core.failures.failure import FailureKind
from oddaemon.http_client.host_errors import find_host_failure

OURS = {
    errno.EMFILE: FailureKind.FILES_EXHAUSTED,
    errno.ENFILE: FailureKind.FILES_EXHAUSTED,
    errno.ENOMEM: FailureKind.MEMORY_EXHAUSTED,
    errno.ENOBUFS: FailureKind.MEMORY_EXHAUSTED,
    errno.ENOSPC: FailureKind.DISK_FULL,
    errno.EDQUOT: FailureKind.DISK_FULL,
    **dict.fromkeys((errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN), FailureKind.NO_ROUTE),
    **dict.fromkeys((errno.EADDRNOTAVAIL, errno.EPERM, errno.EACCES), FailureKind.NO_ROUTE),
}
THEIRS = (errno.ECONNREFUSED, errno.ECONNRESET, errno.ETIMEDOUT, errno.EPIPE, errno.ECONNABORTED)


def hide(*causes: BaseException) -> httpx.ConnectError:
    """As the layers of the HTTP client hide it."""
    middle = OSError("All connection attempts failed")
    middle.__cause__ = causes[0] if len(causes) == 1 else ExceptionGroup("", list(causes))  # type: ignore[type-var]
    error = httpx.ConnectError("All connection attempts failed")
    error.__context__ = middle
    return error


def find_kind(error: BaseException) -> FailureKind | None:
    failure = find_host_failure(error)
    return None if failure is None else failure.kind


@pytest.mark.parametrize(("code", "kind"), OURS.items())
def test_an_errno_of_this_machine_is_found_anywhere_in_the_chain(code: int, kind: FailureKind) -> None:
    cause = OSError(code, os.strerror(code))
    assert find_kind(cause) is find_kind(hide(cause)) is find_kind(hide(cause, OSError(code, ""))) is kind


@pytest.mark.parametrize("code", THEIRS)
def test_what_the_other_side_did_is_not_ours(code: int) -> None:
    assert find_kind(hide(OSError(code, ""))) is None
    assert find_kind(hide(OSError(errno.ENETUNREACH, ""), OSError(code, ""))) is None, "one address has a route"
    assert find_kind(hide(OSError(errno.EMFILE, ""), OSError(code, ""))) is FailureKind.FILES_EXHAUSTED


def test_no_memory_and_no_thread_are_ours() -> None:
    for error in (MemoryError(), RuntimeError("can't start new thread"), socket.gaierror(socket.EAI_MEMORY, "")):
        assert find_kind(hide(error)) is FailureKind.MEMORY_EXHAUSTED
    assert find_kind(RuntimeError("other")) is None


def test_the_number_of_a_tls_error_is_no_errno() -> None:
    assert find_kind(hide(ssl.SSLError(errno.EPERM, "handshake failure"))) is None


@pytest.fixture
def no_descriptors() -> Iterator[None]:
    """This process may open nothing more."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) - 1, limits[1]))  # noqa: PTH208
    held = []
    try:
        while True:
            held.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        pass
    yield
    for descriptor in held:
        os.close(descriptor)
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.mark.usefixtures("no_descriptors")
def test_a_resolver_without_descriptors_does_not_say_that_the_name_is_unknown() -> None:
    assert find_kind(hide(socket.gaierror(socket.EAI_NONAME, "Name or service not known"))) is (
        FailureKind.FILES_EXHAUSTED
    )


def test_a_name_that_is_not_resolved_is_no_outage_of_the_vendor() -> None:
    error = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    assert find_kind(hide(error)) is FailureKind.NAME_UNRESOLVED
