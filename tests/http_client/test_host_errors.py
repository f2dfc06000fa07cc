"""Which errors of a connection are this machine's own trouble."""

import errno
import os
import socket
import ssl

import httpx
import pytest

from oddaemon.core.failures.failure import FailureKind
from oddaemon.core.failures.origin import EXHAUSTED
from oddaemon.http_client.host_errors import find_host_failure
from oddaemon.http_client.tls import make_tls_context
from tests.exhaustion import exhausted_descriptors, exhausted_memory

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


UNTRUSTED = ssl.SSLCertVerificationError(1, "certificate verify failed")


@pytest.mark.parametrize("error", [socket.gaierror(socket.EAI_NONAME, "Name or service not known"), UNTRUSTED])
def test_a_library_that_could_open_no_file_says_nothing_of_the_other_side(error: OSError) -> None:
    with exhausted_descriptors():
        assert find_kind(hide(error)) is FailureKind.FILES_EXHAUSTED
    with exhausted_memory():
        assert find_kind(hide(error)) is FailureKind.MEMORY_EXHAUSTED
    assert find_kind(hide(error)) not in EXHAUSTED


def test_an_answer_of_the_other_side_counts_even_when_descriptors_are_short() -> None:
    with exhausted_descriptors():
        assert find_kind(hide(OSError(errno.ECONNREFUSED, ""))) is None


def test_a_context_that_trusts_no_server_for_want_of_descriptors_is_never_kept() -> None:
    with exhausted_descriptors(), pytest.raises(OSError, match="Too many open files"):
        make_tls_context()
    make_tls_context()


def test_a_name_that_is_not_resolved_is_no_outage_of_the_vendor() -> None:
    error = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    assert find_kind(hide(error)) is FailureKind.NAME_UNRESOLVED
