"""What goes wrong with requests: each kind draws when, how long and whom it hits.

Beside each stands what an office may be called because of it (the words of people, not of the code), so that a checker
can tell a true explanation from a false one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from oddaemon.core.model import Condition
from oddaemon.simulator.api.messages import ConnectionFailure, Endpoint
from oddaemon.simulator.faults.faults import (
    BrokenConnection,
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
    ScheduledFault,
    TooManyRequests,
    TruncatedBody,
)
from oddaemon.simulator.faults.row_corruption import ALTERATIONS, get_alteration
from tests.simulation.cast import Cast
from tests.simulation.moments import duration, moment
from tests.simulation.troubles import Blame, Reach, Trouble, blame

HEADQUARTERS_DOWN = "headquarters down"
KEY_MOVED = "key moved"

QUERIES = frozenset({Endpoint.SHORT_QUERY})
IN_FLIGHT_SECONDS = 90.0
"""A request that was struck just before the end of a trouble is still waiting for its time-out after it."""
SETTLE_SECONDS = 900.0
KEY_WORKS_AFTER_SECONDS = 900.0

UNREACHABLE, BLOCKED, SUSPECT = Condition.UNREACHABLE, Condition.BLOCKED, Condition.SUSPECT
PULLING = Condition.PULLING

SILENCE = blame("answers nobody", UNREACHABLE)
"""Three offices in trouble at once may look like headquarters down, until the next one is answered."""
NO_CONNECTION = (blame("no connection|No connection", UNREACHABLE), SILENCE)
NO_ANSWER = (blame("[Nn]o answer in time", UNREACHABLE), SILENCE)
BROKEN = (blame("connection broke", UNREACHABLE), SILENCE)
ITS_OWN_ERROR = (blame("error of its own", UNREACHABLE), SILENCE)
TOO_SLOW = (blame("60 seconds", UNREACHABLE), blame("Aging ran", Condition.AGING, Condition.LATE))
UNREADABLE = (blame("cannot be read|reason not known", UNREACHABLE),)
SLOW_DOWN = (blame("slow down", UNREACHABLE),)
UNPROVED = (
    *UNREADABLE,
    blame("add up|cut a packed row|too sparse|PatNums|control totals|refuses", SUSPECT, PULLING, BLOCKED, UNREACHABLE),
)

HTML = "<!doctype html><html><head><title>Just a moment</title></head><body><p>Checking you</p></body></html>"
GARBAGE = ("\x00garbage\xff", "", "null", "42", '{"error": "unknown"}', '"The office is closed."', "[" * 5000, HTML)
RETRY_AFTERS: tuple[str | None, ...] = (
    *("5", "0", "-3", "120", "2.5", "7200", "36000", "9" * 30, "nan", "1e400", "1_000", "soon", "", None),
    *("Mon, 03 Mar 2025 17:00:00 GMT", "Fri, 31 Dec 2100 23:59:59 GMT", "Fri, 31 Dec 2100 23:59:59 -0000"),
    "Fri, 31 Dec 99999999999999999999 23:59:59 GMT",
)

DrawTrouble = Callable[[Random, Cast, str], Trouble]


@dataclass(frozen=True)
class _Standing:
    """A trouble that stands for a while and hits every request, or every query."""

    kind: str
    faults: tuple[Fault, ...]
    blames: tuple[Blame, ...]
    calls: frozenset[Endpoint] = frozenset()

    def __call__(self, dice: Random, cast: Cast, office_id: str) -> Trouble:
        begins = moment(dice, cast, office_id)
        ends = begins + duration(dice)
        fault = dice.choice(self.faults)
        planted = ScheduledFault(fault, frozenset({office_id}), FaultWindow(begins, ends), self.calls)
        reach = Reach.QUERIES if self.calls else Reach.EVERYTHING
        over = ends + IN_FLIGHT_SECONDS
        return Trouble(self.kind, (office_id,), begins, over, reach, (planted,), blames=self.blames)


@dataclass(frozen=True)
class _Sporadic:
    """A trouble that hits some requests, here and there."""

    kind: str
    faults: tuple[Fault, ...]
    calls: frozenset[Endpoint] = frozenset()
    is_harmless: bool = False

    def __call__(self, dice: Random, cast: Cast, office_id: str) -> Trouble:
        begins = moment(dice, cast, office_id)
        ends = begins + duration(dice)
        often = {"hits_max": dice.randint(1, 3)} if dice.random() < 0.5 else {"chance": dice.choice((0.05, 0.2, 0.5))}
        fault, whom = dice.choice(self.faults), frozenset({office_id})
        planted = ScheduledFault(fault, whom, FaultWindow(begins, ends), self.calls, dice.randint(0, 3), **often)
        reach = Reach.NOTHING if self.is_harmless else Reach.SOMETIMES
        return Trouble(self.kind, (office_id,), begins, ends + IN_FLIGHT_SECONDS, reach, (planted,))


def _throttled(dice: Random, cast: Cast, office_id: str) -> Trouble:
    """429, with every kind of Retry-After; some ask for more time than the trouble itself lasts."""
    begins = moment(dice, cast, office_id)
    ends = begins + (duration(dice) if dice.random() < 0.5 else 5.0)
    planted = ScheduledFault(
        TooManyRequests(dice.choice(RETRY_AFTERS)), frozenset({office_id}), FaultWindow(begins, ends)
    )
    over = ends + IN_FLIGHT_SECONDS
    return Trouble("throttled", (office_id,), begins, over, Reach.EVERYTHING, (planted,), blames=SLOW_DOWN)


def _key_moved(dice: Random, cast: Cast, office_id: str) -> Trouble:
    """The key opens nothing for a quarter of an hour, then another office's database, and one day its own again."""
    begins = moment(dice, cast, office_id)
    if cast.member(office_id).spec.last_aging == "never":
        begins = max(begins, cast.seconds / 2)  # an office that never showed who it is cannot be told from another one
    ends = begins + max(1800.0, duration(dice))
    others = [member.id for member in cast.members if member.id != office_id]
    fault = KeyMoved(dice.choice(others), dice.choice((0.0, 120.0, KEY_WORKS_AFTER_SECONDS)))
    planted = ScheduledFault(fault, frozenset({office_id}), FaultWindow(begins, ends))
    over = ends + IN_FLIGHT_SECONDS
    # Only who meets the quarter of an hour, reads balances or the practice's title can tell; the rest looks as usual.
    blames = (blame("not assigned|another office's database", BLOCKED),)
    return Trouble(KEY_MOVED, (office_id,), begins, over, Reach.SOMETIMES, (planted,), blames=blames)


def _headquarters_down(dice: Random, cast: Cast, _: str) -> Trouble:
    """Nobody is answered. Planted for whoever goes through headquarters; the others have their own way."""
    faults: tuple[tuple[Fault, tuple[Blame, ...]], ...] = (
        (GatewayError(500), ITS_OWN_ERROR),
        (GatewayError(502), ITS_OWN_ERROR),
        (GatewayError(503), ITS_OWN_ERROR),
        (BrokenConnection(ConnectionFailure.REFUSED), NO_CONNECTION),
        (BrokenConnection(ConnectionFailure.NO_CONNECTION), NO_CONNECTION),
        (BrokenConnection(ConnectionFailure.RESET), BROKEN),
        (BrokenConnection(ConnectionFailure.STALL), NO_ANSWER),
    )
    fault, blames = dice.choice(faults)
    begins = moment(dice, cast, dice.choice(cast.ids))
    ends = begins + max(600.0, duration(dice))
    planted = ScheduledFault(fault, frozenset(cast.remote_ids), FaultWindow(begins, ends))
    over = ends + IN_FLIGHT_SECONDS
    return Trouble(HEADQUARTERS_DOWN, cast.remote_ids, begins, over, Reach.EVERYTHING, (planted,), blames=blames)


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

REQUEST_TROUBLES: dict[str, DrawTrouble] = {
    "econnector asleep": _Standing("econnector asleep", (EConnectorDown(),), (blame("eConnector", UNREACHABLE),)),
    "key disabled": _Standing("key disabled", (KeyDisabled(),), (blame("does not accept the key", BLOCKED),)),
    "key unassigned": _Standing("key unassigned", (KeyUnassigned(),), (blame("not assigned", BLOCKED),)),
    "version too old": _Standing("version too old", (OldVersion(),), (blame("too old", BLOCKED),)),
    "permission withdrawn": _Standing(
        "permission withdrawn", (PermissionMissing(),), (blame("permission", BLOCKED),), QUERIES
    ),
    "gateway error": _Standing(
        "gateway error", (GatewayError(500), GatewayError(502), GatewayError(503)), ITS_OWN_ERROR
    ),
    "gateway time-out": _Standing("gateway time-out", (GatewayError(504), Latency(300)), TOO_SLOW),
    "no connection": _Standing(
        "no connection",
        (BrokenConnection(ConnectionFailure.REFUSED), BrokenConnection(ConnectionFailure.NO_CONNECTION)),
        NO_CONNECTION,
    ),
    "stalled": _Standing(
        "stalled", (BrokenConnection(ConnectionFailure.STALL), BrokenConnection(ConnectionFailure.STALL, 5)), NO_ANSWER
    ),
    "cut off": _Standing("cut off", _CUTS, BROKEN),
    "truncated": _Standing("truncated", (TruncatedBody(0.0), TruncatedBody(0.5), TruncatedBody(0.98)), UNREADABLE),
    "garbage": _Standing("garbage", tuple(map(OtherBody, GARBAGE)), UNREADABLE),
    "rows altered": _Standing("rows altered", _ALTERED, UNPROVED, QUERIES),
    "slow queries": _Standing("slow queries", (Latency(70), GatewayError(504)), TOO_SLOW, QUERIES),
    "throttled": _throttled,
    KEY_MOVED: _key_moved,
    HEADQUARTERS_DOWN: _headquarters_down,
    "latency": _Sporadic("latency", (Latency(0.5), Latency(8), Latency(45), Latency(55)), is_harmless=True),
    "limit ignored": _Sporadic("limit ignored", (LimitIgnored(),), QUERIES, is_harmless=True),
    "once in a while": _Sporadic("once in a while", _ONCE_IN_A_WHILE),
    "rows altered now and then": _Sporadic("rows altered now and then", _ALTERED, QUERIES),
    "empty answers now and then": _Sporadic("empty answers now and then", (OtherBody("[]"),), QUERIES),
}
