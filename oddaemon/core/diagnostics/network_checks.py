"""Checks of the way to the office: DNS, connection, certificate, API, keys, eConnector. A failed one blocks the rest.

Every failure of a request belongs to one check, so the first ✗ is where it happened and not where it was noticed.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from math import ceil

from oddaemon.core.diagnostics.diagnosis import (
    CheckName,
    CheckResult,
    Connectivity,
    Observations,
    fail_check,
    fail_check_due_to,
    pass_check,
    skip_check,
)
from oddaemon.core.failures.failure import Failure, FailureKind
from oddaemon.core.failures.messages import format_failure_message
from oddaemon.core.failures.origin import HOST_FAILURES
from oddaemon.core.model import Owner
from oddaemon.core.office.status import to_sentence

CERTIFICATE_ENDS_SOON_DAYS = 14
"""Most certificates are renewed a month before they expire."""
CHECK_BY_FAILURE: Mapping[FailureKind, CheckName] = {
    **dict.fromkeys((FailureKind.CONNECT, *sorted(HOST_FAILURES)), CheckName.CONNECTION),
    FailureKind.PROXY: CheckName.CONNECTION,
    FailureKind.PROXY_CONNECTION_LOST: CheckName.CONNECTION,
    FailureKind.NAME_UNRESOLVED: CheckName.DNS,
    FailureKind.TLS: CheckName.TLS,
    FailureKind.TIMEOUT: CheckName.API,
    FailureKind.CONNECTION_LOST: CheckName.API,
    FailureKind.THROTTLED: CheckName.API,
    FailureKind.SERVER_ERROR: CheckName.API,
    FailureKind.GATEWAY_REFUSED: CheckName.API,
    FailureKind.NOT_FOUND: CheckName.API,
    FailureKind.UNEXPECTED_STATUS: CheckName.API,
    FailureKind.MALFORMED: CheckName.API,
    FailureKind.OVERSIZED: CheckName.API,
    FailureKind.HEADQUARTERS_DOWN: CheckName.API,
    FailureKind.KEY_UNASSIGNED: CheckName.CUSTOMER_KEY,
    FailureKind.KEY_REJECTED: CheckName.CUSTOMER_KEY,
    FailureKind.KEY_NEVER_ACCEPTED: CheckName.CUSTOMER_KEY,
    FailureKind.KEY_CHANGING: CheckName.CUSTOMER_KEY,
    FailureKind.GATEWAY_TIMEOUT: CheckName.ECONNECTOR,
    FailureKind.ECONNECTOR_DOWN: CheckName.ECONNECTOR,
    FailureKind.OFFICE_NETWORK: CheckName.ECONNECTOR,
    FailureKind.OFFICE_DATABASE: CheckName.ECONNECTOR,
    FailureKind.UNKNOWN_400: CheckName.ECONNECTOR,
}
"""Where on the way a failure happened. Any other kind shows that the office itself answered."""

_REJECTED_KEY_KINDS = frozenset({FailureKind.KEY_REJECTED, FailureKind.KEY_NEVER_ACCEPTED})


def is_blocking(failure: Failure) -> bool:
    """Whether further requests cannot succeed."""
    return failure.kind in CHECK_BY_FAILURE


def find_blocking_failure(observations: Observations) -> Failure | None:
    """The failure that ended the requests; None: the office answers."""
    for response in (observations.clocks, observations.preferences_failure):
        if isinstance(response, Failure) and is_blocking(response):
            return response
    return None


def skip_blocked_check(blocker: CheckName) -> CheckResult:
    """A check that depends on a failed one."""
    return skip_check(f"Skipped: fix “{blocker.heading}” first.")


def find_failed_check(name: CheckName, observations: Observations) -> CheckResult | None:
    """The failed check of this name, if the failure happened there, on the way to the office; None: it did not."""
    connectivity, failure = observations.connectivity, find_blocking_failure(observations)
    if connectivity.failed_at is name:
        return _fail_connectivity_check(name, connectivity)
    if failure is None or _locate_failure(failure) is not name:
        return None
    if name is CheckName.DEVELOPER_KEY:
        advice = "Check `[api] developer_key` in the developer portal."
        return fail_check(to_sentence(failure.sentence), Owner.US, advice, format_failure_message(failure))
    check = fail_check_due_to(failure)
    minutes = ceil(observations.previous_key_for / timedelta(minutes=1))
    if name is CheckName.CUSTOMER_KEY and minutes:
        rotation_text = "Open Dental takes up to 15 minutes to activate a key. oddaemon uses the previous key"
        return replace(
            check,
            sentence=f"{check.sentence} {rotation_text} for another {minutes} min. After that, the office is blocked.",
        )
    return check


def _locate_failure(failure: Failure) -> CheckName:
    if failure.kind in _REJECTED_KEY_KINDS and _mentions_developer_key(failure.message):
        return CheckName.DEVELOPER_KEY
    return CHECK_BY_FAILURE[failure.kind]


def _mentions_developer_key(message: str) -> bool:
    """Whether the message is about the developer key, and not about either key."""
    return bool(re.search("developer", message, re.IGNORECASE)) and not re.search("customer", message, re.IGNORECASE)


def _fail_connectivity_check(name: CheckName, connectivity: Connectivity) -> CheckResult:
    address = f"{connectivity.host}:{connectivity.port}"
    if connectivity.proxy and name is not CheckName.TLS:
        sentence = f"No connection to {address} through the proxy {connectivity.proxy}: {connectivity.message}."
        return fail_check(sentence, Owner.US, FailureKind.PROXY.advice)
    if name is CheckName.DNS:
        advice = f"Check `base_url` and this machine's DNS: `getent hosts {connectivity.host}`."
        return fail_check(f"{connectivity.host} cannot be resolved: {connectivity.message}.", Owner.US, advice)
    if name is CheckName.CONNECTION:
        advice = (
            "Check `base_url`, its port, and this machine's firewall. If this machine reaches the internet through a"
            " proxy only, set `[api] proxy_url`: HTTPS_PROXY is not used."
        )
        return fail_check(f"No connection to {address}: {connectivity.message}.", Owner.US, advice)
    advice = (
        "Check this machine's clock and CA certificates (`SSL_CERT_FILE` may name your own CA), and `base_url`."
        " Certificate verification cannot be disabled."
    )
    return fail_check(f"No TLS connection to {address}: {connectivity.message}.", Owner.US, advice)


def check_dns(observations: Observations) -> CheckResult:
    """Which addresses the host resolves to."""
    host, addresses = observations.connectivity.host, observations.connectivity.addresses
    if not addresses:
        return skip_check(f"{host} is reached without a network.")
    if proxy := observations.connectivity.proxy:
        return pass_check(f"The proxy {proxy} resolves to {addresses[0]}. It resolves {host} itself.")
    if addresses == (host,):
        return pass_check(f"{host} is an IP address: no lookup needed.")
    more = f" and {len(addresses) - 1} more" if len(addresses) > 1 else ""
    return pass_check(f"{host} resolves to {addresses[0]}{more}.")


def check_connection(observations: Observations) -> CheckResult:
    """Whether the port accepts connections."""
    if not observations.connectivity.addresses:
        return skip_check("None: no network is used.")
    connectivity = observations.connectivity
    if connectivity.proxy:
        return pass_check(
            f"The proxy {connectivity.proxy} opens connections to {connectivity.host}:{connectivity.port}."
        )
    return pass_check(f"Port {connectivity.port} accepts connections. No proxy is used.")


def check_tls(observations: Observations) -> CheckResult:
    """The version of TLS, and until when the certificate is valid."""
    connectivity = observations.connectivity
    if not connectivity.secure:
        return skip_check("Plain http, which is allowed on this machine and on private networks only.")
    if connectivity.certificate_ends_at is None:
        return skip_check("No certificate was received.")
    days = (connectivity.certificate_ends_at - observations.at).days
    advice = "If the certificate is yours, renew it now." if days < CERTIFICATE_ENDS_SOON_DAYS else ""
    until = f"{connectivity.certificate_ends_at:%Y-%m-%d}"
    return pass_check(f"{connectivity.protocol}. The certificate is valid until {until}.", advice)


def check_api(observations: Observations) -> CheckResult:
    """How long the API takes to answer."""
    took = f", in {observations.seconds_per_request:.1f} s on average" if observations.seconds_per_request else ""
    return pass_check(f"It answers{took}.")


def check_developer_key(observations: Observations) -> CheckResult:
    """Whether the developer key is accepted."""
    failure = find_blocking_failure(observations)
    if failure is not None and failure.kind in {*_REJECTED_KEY_KINDS, FailureKind.KEY_CHANGING}:
        return skip_check(
            "A key is rejected, and the API does not say which of the two.",
            "Check several offices at once: `oddaemon doctor` without an office finds out which.",
        )
    return pass_check("Accepted.")


def check_customer_key(observations: Observations) -> CheckResult:
    """Which practice's database the customer key opens."""
    title = observations.preferences.get("PracticeTitle", "")
    opens = f"It opens the database of “{title}”." if title else "Accepted."
    return pass_check(opens)


def check_econnector(observations: Observations) -> CheckResult:
    """Whether the office's eConnector forwards requests."""
    if not observations.remote:
        return skip_check("Not needed: oddaemon reaches the office on its own network.")
    return pass_check("It forwards requests to the office.")
