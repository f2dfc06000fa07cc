"""Where a failed request failed: on this machine, or at the API's host, which all its offices share."""

from oddaemon.core.failures.failure import FailureKind

EXHAUSTED = frozenset({FailureKind.FILES_EXHAUSTED, FailureKind.MEMORY_EXHAUSTED, FailureKind.DISK_FULL})
"""This machine has run out of something."""
HOST_FAILURES = EXHAUSTED | {FailureKind.NO_ROUTE}
"""This machine's own trouble: no request left it, so nothing was learned about anyone else."""
REFUSED_BY_US = frozenset(
    {FailureKind.TLS, FailureKind.NAME_UNRESOLVED, FailureKind.PROXY, FailureKind.PROXY_CONNECTION_LOST}
)
"""The API's host cannot be used from here, which does not say that it is down."""
OUTAGE_FAILURES = REFUSED_BY_US | {
    FailureKind.CONNECT,
    FailureKind.TIMEOUT,
    FailureKind.CONNECTION_LOST,
    FailureKind.SERVER_ERROR,
}
"""What an outage of the API's host looks like. Any other response, a rejection included, shows that it is up."""
STATEMENT_TIMEOUTS = frozenset({FailureKind.TIMEOUT, FailureKind.GATEWAY_TIMEOUT})
"""No response came in time. Whatever the office was asked to compute, it goes on computing."""
API_FAILURES = OUTAGE_FAILURES | {FailureKind.HEADQUARTERS_DOWN}
"""After one of these an office may ask at once when the API's host is found to be up again."""
