"""Separates errors of this machine, such as exhausted file descriptors, from errors of the other side.

Libraries raise their own exceptions for both, so the cause is searched in the whole chain. The errno decides; where a
library hides it, a measurement of this process does, and never a message: the other side may have written it.
"""

import errno
import mmap
import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack

from oddaemon.core.failures.failure import Failure, FailureKind

_EXHAUSTED = {
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), FailureKind.FILES_EXHAUSTED),
    **dict.fromkeys((errno.ENOMEM, errno.ENOBUFS), FailureKind.MEMORY_EXHAUSTED),
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), FailureKind.DISK_FULL),
}
"""One such error in a chain is enough: the others follow from it."""
_NO_ROUTE = frozenset(
    {
        *(errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT),
        # A firewall of this machine, or the sandbox of the unit.
        *(errno.EPERM, errno.EACCES),
    }
)
"""A host with several addresses may be unreachable at one and down at the other: these count if there are no others."""
_THREAD_ERROR = "can't start new thread"
"""Python's message of a RuntimeError; the system's errno is lost."""
_FILES_OF_A_CONNECTION = 4
"""A socket, a duplicate of it, and the files of the resolver or of trusted certificates."""
_BYTES_OF_A_CONNECTION = 8 * 2**20
"""The stack of a thread, and the buffers."""


def find_host_failure(error: BaseException) -> Failure | None:
    """The trouble of this machine behind an error of a connection; None: the other side may be at fault."""
    codes: set[int] = set()
    unresolved: socket.gaierror | None = None
    hides_errno = False
    for cause in iterate_causes(error):
        if isinstance(cause, MemoryError) or (isinstance(cause, RuntimeError) and _THREAD_ERROR in str(cause)):
            return Failure(FailureKind.MEMORY_EXHAUSTED, str(cause))
        if isinstance(cause, socket.gaierror):
            unresolved, hides_errno = cause, True
        elif isinstance(cause, ssl.SSLCertVerificationError):
            hides_errno = True  # OpenSSL skips a file of trusted certificates that it cannot open
        elif isinstance(cause, OSError) and not isinstance(cause, ssl.SSLError) and cause.errno:
            # The number of an SSLError is OpenSSL's.
            if (kind := _EXHAUSTED.get(cause.errno)) is not None:
                return Failure(kind, os.strerror(cause.errno))
            codes.add(cause.errno)
    if hides_errno and (measured := measure_exhaustion()) is not None:
        return Failure(_EXHAUSTED[measured.errno or 0], os.strerror(measured.errno or 0))
    if unresolved is not None:
        kind = FailureKind.MEMORY_EXHAUSTED if unresolved.errno == socket.EAI_MEMORY else FailureKind.NAME_UNRESOLVED
        return Failure(kind, unresolved.strerror or "")
    return Failure(FailureKind.NO_ROUTE, os.strerror(min(codes))) if codes and codes <= _NO_ROUTE else None


def measure_exhaustion() -> OSError | None:
    """The error with which this machine refuses what one connection needs; None: it has all of it.

    To be asked as soon as a library failed without an errno: when it gave up, it returned what it had.
    """
    with ExitStack() as stack:
        try:
            for _ in range(_FILES_OF_A_CONNECTION):
                stack.callback(os.close, os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
            mmap.mmap(-1, _BYTES_OF_A_CONNECTION).close()
        except OSError as error:
            return error if error.errno in _EXHAUSTED else None
    return None


def iterate_causes(error: BaseException) -> Iterator[BaseException]:
    """The error and everything that led to it, through causes, contexts and groups."""
    pending, seen = [error], set[int]()
    while pending:
        cause = pending.pop()
        if id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        pending += [each for each in (cause.__cause__, cause.__context__) if each is not None]
        if isinstance(cause, BaseExceptionGroup):
            pending += cause.exceptions
