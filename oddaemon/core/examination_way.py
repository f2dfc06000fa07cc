"""From here to the office: name, connection, certificate, API, keys, eConnector. What blocks one blocks all after it.

Every failure of a request has one place among the steps, so the first ✗ is where it happened and not where it was felt.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from math import ceil

from oddaemon.core.examination import Outcome, Patient, Reach, Seen, Step, StepName, failed, ok, untold, wrong
from oddaemon.core.failure import Failure, Kind
from oddaemon.core.letters import letter_about
from oddaemon.core.model import Owner
from oddaemon.core.standing import capital

CERTIFICATE_ENDS_SOON_DAYS = 14
"""Most are renewed a month before their end."""
TITLES: Mapping[StepName, str] = {
    StepName.NAME: "Name and DNS",
    StepName.CONNECTION: "Connection",
    StepName.TLS: "TLS",
    StepName.API: "API",
    StepName.DEVELOPER_KEY: "Developer key",
    StepName.CUSTOMER_KEY: "Customer key",
    StepName.ECONNECTOR: "eConnector",
    StepName.VERSION: "Version",
    StepName.PREFERENCES: "May read preferences",
    StepName.QUERIES: "May run queries",
    StepName.REPORTS: "May read reports",
    StepName.CLOCK: "Clock and zone",
    StepName.SERVICE: "Open Dental Service",
    StepName.AUTOMATION: "Automated aging",
    StepName.AGING: "Aging",
    StepName.CLINICS: "Clinics",
    StepName.GUARANTORS: "Guarantors",
    StepName.READER: "Statement or pages",
    StepName.COST: "Requests a night",
    StepName.OUR_KEY: "Our key at the office",
}
"""As people see them."""
WAY = (
    StepName.NAME,
    StepName.CONNECTION,
    StepName.TLS,
    StepName.API,
    StepName.DEVELOPER_KEY,
    StepName.CUSTOMER_KEY,
    StepName.ECONNECTOR,
)
PLACES: Mapping[Kind, StepName] = {
    Kind.CONNECT: StepName.CONNECTION,
    Kind.TLS: StepName.TLS,
    Kind.TIMEOUT: StepName.API,
    Kind.CONNECTION_LOST: StepName.API,
    Kind.THROTTLED: StepName.API,
    Kind.SERVER_ERROR: StepName.API,
    Kind.GATEWAY_REFUSED: StepName.API,
    Kind.NOT_FOUND: StepName.API,
    Kind.UNEXPECTED_STATUS: StepName.API,
    Kind.MALFORMED: StepName.API,
    Kind.OVERSIZED: StepName.API,
    Kind.HEADQUARTERS_DOWN: StepName.API,
    Kind.KEY_UNASSIGNED: StepName.CUSTOMER_KEY,
    Kind.KEY_REJECTED: StepName.CUSTOMER_KEY,
    Kind.KEY_NEVER_ACCEPTED: StepName.CUSTOMER_KEY,
    Kind.KEY_CHANGING: StepName.CUSTOMER_KEY,
    Kind.GATEWAY_TIMEOUT: StepName.ECONNECTOR,
    Kind.ECONNECTOR_DOWN: StepName.ECONNECTOR,
    Kind.OFFICE_NETWORK: StepName.ECONNECTOR,
    Kind.OFFICE_DATABASE: StepName.ECONNECTOR,
    Kind.UNKNOWN_400: StepName.ECONNECTOR,
}
"""Where on the way a failure happened. Any other kind shows that the office itself answered."""

_REJECTED = frozenset({Kind.KEY_REJECTED, Kind.KEY_NEVER_ACCEPTED})


def ends_it(failure: Failure) -> bool:
    """Whether there is no use in asking on."""
    return failure.kind in PLACES


def blocking(seen: Seen) -> Failure | None:
    """The failure that ended the asking; None: the office answers."""
    for answer in (seen.clocks, seen.preferences_failure):
        if isinstance(answer, Failure) and ends_it(answer):
            return answer
    return None


def not_tried(name: StepName, ground: StepName) -> Step:
    """A step whose ground failed."""
    return untold(name, f"Not tried: “{TITLES[ground]}” comes first.")


def interrupted(name: StepName) -> Step:
    """A step that was never come to."""
    return untold(name, "Not tried: the daemon stopped first.")


def way_steps(patient: Patient, seen: Seen) -> Iterator[Step]:
    """The steps of the way, in its order; at most one of them is wrong."""
    blocker: StepName | None = None
    for name in WAY:
        if blocker is not None:
            yield not_tried(name, blocker)
            continue
        step = _stopped(name, patient, seen) or _passed(name, patient, seen)
        blocker = name if step.outcome is Outcome.WRONG else None
        yield step


def _stopped(name: StepName, patient: Patient, seen: Seen) -> Step | None:
    """The step as what went wrong, if it did so here."""
    reach, failure = seen.reach, blocking(seen)
    if reach.failed_at is name:
        return _unreached(name, reach)
    if failure is None or _place(failure) is not name:
        return None
    if name is StepName.DEVELOPER_KEY:
        advice = "Check `[api] developer_key` in the developer portal."
        return wrong(name, capital(failure.sentence), Owner.US, advice, letter_about(failure))
    step = failed(name, failure)
    minutes = ceil(patient.former_key_for / timedelta(minutes=1))
    if name is StepName.CUSTOMER_KEY and minutes:
        trial = "It is on trial, as Open Dental needs up to 15 minutes to put a key in force: the former one is used"
        return replace(step, sentence=f"{step.sentence} {trial} for another {minutes} min, then the office is blocked.")
    return step


def _place(failure: Failure) -> StepName:
    if failure.kind in _REJECTED and _speaks_of_developer(failure.message):
        return StepName.DEVELOPER_KEY
    return PLACES[failure.kind]


def _speaks_of_developer(message: str) -> bool:
    """Whether it is the developer key that is meant, and not either of the two."""
    return bool(re.search("developer", message, re.IGNORECASE)) and not re.search("customer", message, re.IGNORECASE)


def _unreached(name: StepName, reach: Reach) -> Step:
    place = f"{reach.host}:{reach.port}"
    if name is StepName.NAME:
        advice = f"Check `base_url`, and this machine's name resolution: `getent hosts {reach.host}`."
        return wrong(name, f"{reach.host} is not found: {reach.message}.", Owner.US, advice)
    if name is StepName.CONNECTION:
        advice = "Check `base_url`, its port, and this machine's way out (firewall; proxies are not used)."
        return wrong(name, f"No connection to {place}: {reach.message}.", Owner.US, advice)
    advice = (
        "Check this machine's clock and CA certificates (`SSL_CERT_FILE` may name your own CA), and `base_url`;"
        " verification cannot be switched off."
    )
    return wrong(name, f"No TLS with {place}: {reach.message}.", Owner.US, advice)


def _passed(name: StepName, patient: Patient, seen: Seen) -> Step:
    reached = {StepName.NAME: _name, StepName.CONNECTION: _connection, StepName.TLS: _tls}
    if name in reached:
        return reached[name](seen)
    if not _is_heard(seen):
        return interrupted(name)
    heard: Mapping[StepName, Callable[[Patient, Seen], Step]] = {
        StepName.API: _api,
        StepName.DEVELOPER_KEY: _developer_key,
        StepName.CUSTOMER_KEY: _customer_key,
        StepName.ECONNECTOR: _econnector,
    }
    return heard[name](patient, seen)


def _is_heard(seen: Seen) -> bool:
    return seen.clocks is not None or bool(seen.preferences) or seen.preferences_failure is not None


def _name(seen: Seen) -> Step:
    host, addresses = seen.reach.host, seen.reach.addresses
    if not addresses:
        return untold(StepName.NAME, f"{host} is reached without a network.")
    if addresses == (host,):
        return ok(StepName.NAME, f"{host} is an address: nothing to look up.")
    more = f" and {len(addresses) - 1} more" if len(addresses) > 1 else ""
    return ok(StepName.NAME, f"{host} is {addresses[0]}{more}.")


def _connection(seen: Seen) -> Step:
    if not seen.reach.addresses:
        return untold(StepName.CONNECTION, "Without a network there is none.")
    return ok(StepName.CONNECTION, f"Port {seen.reach.port} answers.")


def _tls(seen: Seen) -> Step:
    reach = seen.reach
    if not reach.secure:
        return untold(StepName.TLS, "Plain http: allowed on this machine and on private networks only.")
    if reach.certificate_ends_at is None:
        return untold(StepName.TLS, "No certificate was seen.")
    days = (reach.certificate_ends_at - seen.at).days
    advice = "If it is yours, renew it now." if days < CERTIFICATE_ENDS_SOON_DAYS else ""
    until = f"{reach.certificate_ends_at:%Y-%m-%d}"
    return ok(StepName.TLS, f"{reach.protocol}; the certificate is accepted, and valid until {until}.", advice)


def _api(_patient: Patient, seen: Seen) -> Step:
    took = f", in {seen.seconds_a_request:.1f} s on average" if seen.seconds_a_request else ""
    return ok(StepName.API, f"It answers{took}.")


def _developer_key(_patient: Patient, seen: Seen) -> Step:
    failure = blocking(seen)
    if failure is not None and failure.kind in {*_REJECTED, Kind.KEY_CHANGING}:
        return untold(
            StepName.DEVELOPER_KEY,
            "A key is not let in, and the API does not say which of the two.",
            "Examine several offices at once: `oddaemon doctor` without an office tells the two apart.",
        )
    return ok(StepName.DEVELOPER_KEY, "It is let in.")


def _customer_key(_patient: Patient, seen: Seen) -> Step:
    title = seen.preferences.get("PracticeTitle", "")
    opens = f"It opens the database of “{title}”." if title else "It is let in."
    return ok(StepName.CUSTOMER_KEY, opens)


def _econnector(patient: Patient, _seen: Seen) -> Step:
    if not patient.remote:
        return untold(StepName.ECONNECTOR, "The office is asked on its own network: none is needed.")
    return ok(StepName.ECONNECTOR, "It passes requests on to the office.")
