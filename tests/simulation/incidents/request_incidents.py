"""What goes wrong with requests: each kind draws when, how long and whom it hits.

Beside each stands what an office may be called because of it (the words of people, not of the code), so that a checker
can tell a true explanation from a false one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from oddaemon.core.failures.failure import FailureKind
from oddaemon.core.model import Condition
from oddaemon.simulator.api.messages import BrokenConnection, ConnectionFailure, Endpoint
from oddaemon.simulator.faults.faults import (
    EConnectorDown,
    Fault,
    FaultWindow,
    GatewayError,
    KeyDisabled,
    KeyMoved,
    KeyUnassigned,
    Latency,
    LimitIgnored,
    OldVersion,
    OtherBody,
    PermissionMissing,
    QueryUserRestricted,
    Respelled,
    ScheduledFault,
    StalePreferences,
    TooManyRequests,
    TruncatedBody,
)
from oddaemon.simulator.faults.row_corruption import ALTERATIONS, get_alteration
from oddaemon.simulator.faults.spellings import SPELLINGS
from tests.simulation.incidents.incident import ExpectedStatus, Impact, Incident, expect_failure
from tests.simulation.scenario.fleet import SimulatedFleet
from tests.simulation.scenario.timing import draw_duration, draw_moment

HEADQUARTERS_DOWN = "headquarters down"
KEY_MOVED = "key moved"
STALE_PREFERENCES = "stale preferences"
QUERIES_RESTRICTED = "queries restricted"
INDISTINGUISHABLE = frozenset({STALE_PREFERENCES, QUERIES_RESTRICTED})
"""Where the table of preferences may not be read, an old answer of the other method looks like a new one."""

QUERIES = frozenset({Endpoint.SHORT_QUERY})
IN_FLIGHT_SECONDS = 90.0
"""A request that failed just before the end of an incident still waits for its time-out after it."""
SETTLE_SECONDS = 900.0
KEY_WORKS_AFTER_SECONDS = 900.0

UNREACHABLE, BLOCKED, SUSPECT = Condition.UNREACHABLE, Condition.BLOCKED, Condition.SUSPECT
PULLING = Condition.PULLING

SILENCE_STATUS = expect_failure(FailureKind.HEADQUARTERS_DOWN)
"""Three failing offices at once may look like an outage of headquarters, until another one is answered."""
NO_CONNECTION = (expect_failure(FailureKind.CONNECT), SILENCE_STATUS)
NO_ANSWER = (expect_failure(FailureKind.TIMEOUT), SILENCE_STATUS)
BROKEN = (expect_failure(FailureKind.CONNECTION_LOST), SILENCE_STATUS)
ITS_OWN_ERROR = (expect_failure(FailureKind.SERVER_ERROR), SILENCE_STATUS)
TOO_SLOW = (
    expect_failure(FailureKind.GATEWAY_TIMEOUT),
    expect_failure(FailureKind.AGING_CHANGED, conditions=(Condition.AGING, Condition.LATE)),
)
UNREADABLE = (expect_failure(FailureKind.MALFORMED, FailureKind.UNKNOWN_400),)
SLOW_DOWN = (expect_failure(FailureKind.THROTTLED),)
UNPROVED = (
    *UNREADABLE,
    expect_failure(
        FailureKind.INCOMPLETE,
        FailureKind.COLUMN_TRUNCATED,
        FailureKind.TOO_SPARSE,
        FailureKind.QUERY_REFUSED,
        FailureKind.SQL_ERROR,
        FailureKind.GATEWAY_REFUSED,
        conditions=(SUSPECT, PULLING, BLOCKED, UNREACHABLE),
    ),
)

RESTRICTED = (expect_failure(FailureKind.QUERY_USER_RESTRICTED, conditions=(BLOCKED,)),)

ECONNECTOR_SENTENCE = "The office's eConnector is not running. Please contact the office to start their eConnector."
ERRORS_UNDER_SUCCESS = (
    f'"{ECONNECTOR_SENTENCE}"',
    f'{{"Message": "{ECONNECTOR_SENTENCE}"}}',
    f'[{{"error": "{ECONNECTOR_SENTENCE}"}}]',
    ECONNECTOR_SENTENCE,
)
HTML = "<!doctype html><html><head><title>Just a moment</title></head><body><p>Checking you</p></body></html>"
GARBAGE = ("\x00garbage\xff", "", "null", "42", '{"error": "unknown"}', '"The office is closed."', "[" * 5000, HTML)
RETRY_AFTERS: tuple[str | None, ...] = (
    *("5", "0", "-3", "120", "2.5", "7200", "36000", "9" * 30, "nan", "1e400", "1_000", "soon", "", None),
    *("Mon, 03 Mar 2025 17:00:00 GMT", "Fri, 31 Dec 2100 23:59:59 GMT", "Fri, 31 Dec 2100 23:59:59 -0000"),
    "Fri, 31 Dec 99999999999999999999 23:59:59 GMT",
)

DrawIncident = Callable[[Random, SimulatedFleet, str], Incident]


@dataclass(frozen=True)
class _ContinuousIncident:
    """Affects every request, or every query, for a time."""

    kind: str
    faults: tuple[Fault, ...]
    expected_statuses: tuple[ExpectedStatus, ...]
    calls: frozenset[Endpoint] = frozenset()

    def __call__(self, rng: Random, fleet: SimulatedFleet, office_id: str) -> Incident:
        begins = draw_moment(rng, fleet, office_id)
        ends = begins + draw_duration(rng)
        fault = rng.choice(self.faults)
        scheduled = ScheduledFault(fault, frozenset({office_id}), FaultWindow(begins, ends), self.calls)
        reach = Impact.QUERIES if self.calls else Impact.EVERYTHING
        over = ends + IN_FLIGHT_SECONDS
        return Incident(
            self.kind, (office_id,), begins, over, reach, (scheduled,), expected_statuses=self.expected_statuses
        )


@dataclass(frozen=True)
class _SporadicIncident:
    """Affects some requests, at random."""

    kind: str
    faults: tuple[Fault, ...]
    calls: frozenset[Endpoint] = frozenset()
    is_harmless: bool = False

    def __call__(self, rng: Random, fleet: SimulatedFleet, office_id: str) -> Incident:
        begins = draw_moment(rng, fleet, office_id)
        ends = begins + draw_duration(rng)
        often = {"hits_max": rng.randint(1, 3)} if rng.random() < 0.5 else {"chance": rng.choice((0.05, 0.2, 0.5))}
        fault, whom = rng.choice(self.faults), frozenset({office_id})
        scheduled = ScheduledFault(fault, whom, FaultWindow(begins, ends), self.calls, rng.randint(0, 3), **often)
        reach = Impact.NOTHING if self.is_harmless else Impact.SOMETIMES
        return Incident(self.kind, (office_id,), begins, ends + IN_FLIGHT_SECONDS, reach, (scheduled,))


def _draw_throttling(rng: Random, fleet: SimulatedFleet, office_id: str) -> Incident:
    """429, with every kind of Retry-After; some ask for more time than the incident itself lasts."""
    begins = draw_moment(rng, fleet, office_id)
    ends = begins + (draw_duration(rng) if rng.random() < 0.5 else 5.0)
    scheduled = ScheduledFault(
        TooManyRequests(rng.choice(RETRY_AFTERS)), frozenset({office_id}), FaultWindow(begins, ends)
    )
    over = ends + IN_FLIGHT_SECONDS
    return Incident(
        "throttled", (office_id,), begins, over, Impact.EVERYTHING, (scheduled,), expected_statuses=SLOW_DOWN
    )


def _draw_moved_key(rng: Random, fleet: SimulatedFleet, office_id: str) -> Incident:
    """The key opens nothing for a quarter of an hour, then another office's database, and one day its own again."""
    begins = draw_moment(rng, fleet, office_id)
    if fleet.get_member(office_id).spec.last_aging == "never":
        begins = max(begins, fleet.seconds / 2)  # the identity of the office must have been seen before
    ends = begins + max(1800.0, draw_duration(rng))
    others = [member.id for member in fleet.members if member.id != office_id]
    fault = KeyMoved(rng.choice(others), rng.choice((0.0, 120.0, KEY_WORKS_AFTER_SECONDS)))
    scheduled = ScheduledFault(fault, frozenset({office_id}), FaultWindow(begins, ends))
    over = ends + IN_FLIGHT_SECONDS
    # Only a request in that quarter of an hour, for balances or for the practice's title shows it.
    expected_statuses = (expect_failure(FailureKind.KEY_UNASSIGNED, FailureKind.OTHER_DATABASE, conditions=(BLOCKED,)),)
    return Incident(
        KEY_MOVED, (office_id,), begins, over, Impact.SOMETIMES, (scheduled,), expected_statuses=expected_statuses
    )


def _draw_headquarters_outage(rng: Random, fleet: SimulatedFleet, _: str) -> Incident:
    """Headquarters sends no response to the offices that it serves; offices with a local API are not affected."""
    faults: tuple[tuple[Fault, tuple[ExpectedStatus, ...]], ...] = (
        (GatewayError(500), ITS_OWN_ERROR),
        (GatewayError(502), ITS_OWN_ERROR),
        (GatewayError(503), ITS_OWN_ERROR),
        (BrokenConnection(ConnectionFailure.REFUSED), NO_CONNECTION),
        (BrokenConnection(ConnectionFailure.NO_CONNECTION), NO_CONNECTION),
        (BrokenConnection(ConnectionFailure.RESET), BROKEN),
        (BrokenConnection(ConnectionFailure.STALL), NO_ANSWER),
    )
    fault, expected_statuses = rng.choice(faults)
    begins = draw_moment(rng, fleet, rng.choice(fleet.ids))
    ends = begins + max(600.0, draw_duration(rng))
    scheduled = ScheduledFault(fault, frozenset(fleet.remote_ids), FaultWindow(begins, ends))
    over = ends + IN_FLIGHT_SECONDS
    return Incident(
        HEADQUARTERS_DOWN,
        fleet.remote_ids,
        begins,
        over,
        Impact.EVERYTHING,
        (scheduled,),
        expected_statuses=expected_statuses,
    )


def _draw_stale_preferences(rng: Random, fleet: SimulatedFleet, office_id: str) -> Incident:
    """GETs are answered from a cache or a replica: what completes is seen later, and no one is at fault."""
    begins = draw_moment(rng, fleet, office_id)
    ends = begins + draw_duration(rng)
    age_seconds = rng.choice((30.0, 300.0, 1800.0, 7200.0))
    scheduled = ScheduledFault(StalePreferences(age_seconds), frozenset({office_id}), FaultWindow(begins, ends))
    return Incident(STALE_PREFERENCES, (office_id,), begins, ends + IN_FLIGHT_SECONDS, Impact.DELAY, (scheduled,))


def _draw_restricted_queries(rng: Random, fleet: SimulatedFleet, office_id: str) -> Incident:
    """The office's query user may read the patients alone, which costs time only, or not even these."""
    begins = draw_moment(rng, fleet, office_id)
    ends = begins + draw_duration(rng)
    tables, impact = rng.choice(((("patient",), Impact.DELAY), (("appointment",), Impact.QUERIES)))
    window = FaultWindow(begins, ends)
    scheduled = ScheduledFault(QueryUserRestricted(tables), frozenset({office_id}), window, QUERIES)
    over = ends + IN_FLIGHT_SECONDS
    return Incident(QUERIES_RESTRICTED, (office_id,), begins, over, impact, (scheduled,), expected_statuses=RESTRICTED)


_CUTS = tuple(
    BrokenConnection(cut, after)
    for cut in (ConnectionFailure.RESET, ConnectionFailure.CLOSE)
    for after in (None, 0, 1, 40)
)
_ALTERED = tuple(get_alteration(name) for name in ALTERATIONS)
_ONCE_IN_A_WHILE: tuple[Fault, ...] = (
    EConnectorDown(),
    KeyDisabled(),
    KeyUnassigned(),
    PermissionMissing(),
    TooManyRequests("5"),
    TooManyRequests("0"),
    *map(GatewayError, (500, 502, 503, 504)),
    Latency(70),
    BrokenConnection(ConnectionFailure.REFUSED),
    BrokenConnection(ConnectionFailure.STALL),
    BrokenConnection(ConnectionFailure.STALL, 5),
    *_CUTS,
    TruncatedBody(0.5),
    TruncatedBody(0.99),
)

REQUEST_INCIDENTS: dict[str, DrawIncident] = {
    "econnector asleep": _ContinuousIncident(
        "econnector asleep", (EConnectorDown(),), (expect_failure(FailureKind.ECONNECTOR_DOWN),)
    ),
    "key disabled": _ContinuousIncident(
        "key disabled",
        (KeyDisabled(),),
        (expect_failure(FailureKind.KEY_REJECTED, FailureKind.KEY_NEVER_ACCEPTED, conditions=(BLOCKED,)),),
    ),
    "key unassigned": _ContinuousIncident(
        "key unassigned", (KeyUnassigned(),), (expect_failure(FailureKind.KEY_UNASSIGNED, conditions=(BLOCKED,)),)
    ),
    "version too old": _ContinuousIncident(
        "version too old", (OldVersion(),), (expect_failure(FailureKind.VERSION_TOO_OLD, conditions=(BLOCKED,)),)
    ),
    "permission withdrawn": _ContinuousIncident(
        "permission withdrawn",
        (PermissionMissing(),),
        (expect_failure(FailureKind.PERMISSION_MISSING, conditions=(BLOCKED,)),),
        QUERIES,
    ),
    "gateway error": _ContinuousIncident(
        "gateway error", (GatewayError(500), GatewayError(502), GatewayError(503)), ITS_OWN_ERROR
    ),
    "gateway time-out": _ContinuousIncident("gateway time-out", (GatewayError(504), Latency(300)), TOO_SLOW),
    "no connection": _ContinuousIncident(
        "no connection",
        (BrokenConnection(ConnectionFailure.REFUSED), BrokenConnection(ConnectionFailure.NO_CONNECTION)),
        NO_CONNECTION,
    ),
    "stalled": _ContinuousIncident(
        "stalled", (BrokenConnection(ConnectionFailure.STALL), BrokenConnection(ConnectionFailure.STALL, 5)), NO_ANSWER
    ),
    "cut off": _ContinuousIncident("cut off", _CUTS, BROKEN),
    "truncated": _ContinuousIncident(
        "truncated", (TruncatedBody(0.0), TruncatedBody(0.5), TruncatedBody(0.98)), UNREADABLE
    ),
    "garbage": _ContinuousIncident("garbage", tuple(map(OtherBody, GARBAGE)), UNREADABLE),
    "error under success": _ContinuousIncident(
        "error under success",
        tuple(map(OtherBody, ERRORS_UNDER_SUCCESS)),
        (expect_failure(FailureKind.ECONNECTOR_DOWN),),
    ),
    "rows altered": _ContinuousIncident("rows altered", _ALTERED, UNPROVED, QUERIES),
    "slow queries": _ContinuousIncident("slow queries", (Latency(70), GatewayError(504)), TOO_SLOW, QUERIES),
    "throttled": _draw_throttling,
    KEY_MOVED: _draw_moved_key,
    HEADQUARTERS_DOWN: _draw_headquarters_outage,
    STALE_PREFERENCES: _draw_stale_preferences,
    QUERIES_RESTRICTED: _draw_restricted_queries,
    "respelled": _SporadicIncident("respelled", tuple(map(Respelled, SPELLINGS)), is_harmless=True),
    "latency": _SporadicIncident("latency", (Latency(0.5), Latency(8), Latency(45), Latency(55)), is_harmless=True),
    "limit ignored": _SporadicIncident("limit ignored", (LimitIgnored(),), QUERIES, is_harmless=True),
    "once in a while": _SporadicIncident("once in a while", _ONCE_IN_A_WHILE),
    "rows altered now and then": _SporadicIncident("rows altered now and then", _ALTERED, QUERIES),
    "empty answers now and then": _SporadicIncident("empty answers now and then", (OtherBody("[]"),), QUERIES),
}
