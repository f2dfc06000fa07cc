"""Separates errors of this machine, such as exhausted file descriptors, from errors of the other side.

Libraries raise their own exceptions for both, so the cause is searched in the whole chain. Only the errno decides.
"""

import errno
import os
import socket
import ssl
from collections.abc import Iterator

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


def find_host_failure(error: BaseException) -> Failure | None:
    """The trouble of this machine behind an error of a connection; None: the other side may be at fault."""
    codes: set[int] = set()
    unresolved: socket.gaierror | None = None
    for cause in iterate_causes(error):
        if isinstance(cause, MemoryError) or (isinstance(cause, RuntimeError) and _THREAD_ERROR in str(cause)):
            return Failure(FailureKind.MEMORY_EXHAUSTED, str(cause))
        if isinstance(cause, socket.gaierror):
            unresolved = cause
        elif isinstance(cause, OSError) and not isinstance(cause, ssl.SSLError) and cause.errno:
            # The number of an SSLError is OpenSSL's.
            if (kind := _EXHAUSTED.get(cause.errno)) is not None:
                return Failure(kind, os.strerror(cause.errno))
            codes.add(cause.errno)
    if unresolved is not None:
        return _judge_resolver(unresolved)
    return Failure(FailureKind.NO_ROUTE, os.strerror(min(codes))) if codes and codes <= _NO_ROUTE else None


def _judge_resolver(error: socket.gaierror) -> Failure:
    """The resolver reads files and opens sockets, and reports its troubles with them as an unknown name."""
    if error.errno == socket.EAI_MEMORY:
        return Failure(FailureKind.MEMORY_EXHAUSTED, error.strerror or "")
    try:
        os.close(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as opening:
        if (kind := _EXHAUSTED.get(opening.errno or 0)) is not None:
            return Failure(kind, os.strerror(opening.errno or 0))
    return Failure(FailureKind.NAME_UNRESOLVED, error.strerror or "")


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
