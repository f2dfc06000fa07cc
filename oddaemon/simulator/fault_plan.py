"""Troubles as a plan file or a request to the control desk writes them.

[[fault]]
kind = "econnector_down"        # the name of a fault, in snake case
offices = ["brookside"]         # none: every office
from_seconds = 5.0              # since headquarters opened; or `since`, an instant
until_seconds = 20.0            # or `until`
calls = ["short_query"]         # none: every call
skip = 0                        # requests let through first
hits_max = 3                    # requests then hit
chance = 0.5
...                             # and the fault's own fields
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from oddaemon.simulator import faults
from oddaemon.simulator.alterations import ALTERATIONS, alteration
from oddaemon.simulator.api import Kind
from oddaemon.simulator.faults import Fault, Planted, Window
from oddaemon.simulator.plan_values import PlanError, value_of

FAULTS: dict[str, type] = {
    "econnector_down": faults.EConnectorDown,
    "key_disabled": faults.KeyDisabled,
    "key_unassigned": faults.KeyUnassigned,
    "key_moved": faults.KeyMoved,
    "permission_missing": faults.PermissionMissing,
    "old_version": faults.OldVersion,
    "too_many_requests": faults.TooManyRequests,
    "gateway_error": faults.GatewayError,
    "latency": faults.Latency,
    "broken_connection": faults.BrokenConnection,
    "truncated_body": faults.TruncatedBody,
    "other_body": faults.OtherBody,
    "limit_ignored": faults.LimitIgnored,
}


@dataclass(frozen=True)
class _Placing:
    """Whom, when and how often, as written."""

    kind: str
    offices: tuple[str, ...] = ()
    from_seconds: float = 0.0
    until_seconds: float = math.inf
    since: datetime | None = None
    until: datetime | None = None
    calls: tuple[Kind, ...] = ()
    skip: int = 0
    hits_max: int | None = None
    chance: float = 1.0


_PLACING_NAMES = frozenset(_Placing.__dataclass_fields__)


def planted_of(table: Mapping[str, object], offices: Iterable[str], where: str) -> Planted:
    """One trouble from its table.

    Args:
        table: as in this module's docstring.
        offices: ids of the offices that exist.
        where: the table's name in errors.

    Raises:
        PlanError: a name is unknown, a value has the wrong type, an office does not exist.
    """
    placing = value_of(_Placing, {name: value for name, value in table.items() if name in _PLACING_NAMES}, where)
    fault = _fault(placing.kind, {name: table[name] for name in table if name not in _PLACING_NAMES}, where)
    named = {*placing.offices, *([fault.to_office_id] if isinstance(fault, faults.KeyMoved) else [])}
    if strangers := sorted(named - set(offices)):
        raise PlanError(f"{where}: no such office: {', '.join(strangers)}")
    return Planted(
        fault,
        office_ids=frozenset(placing.offices),
        window=Window(_edge(placing.since, placing.from_seconds), _edge(placing.until, placing.until_seconds)),
        kinds=frozenset(placing.calls),
        skip=placing.skip,
        hits_max=placing.hits_max,
        chance=placing.chance,
    )


def _fault(kind: str, own: Mapping[str, object], where: str) -> Fault:
    if kind == "altered":
        name = own.get("alteration")
        if not isinstance(name, str) or name not in ALTERATIONS or len(own) > 1:
            raise PlanError(f"{where}: alteration must be one of {', '.join(ALTERATIONS)}")
        return alteration(name)
    if kind not in FAULTS:
        raise PlanError(f"{where}: kind must be one of {', '.join([*FAULTS, 'altered'])}")
    fault: Fault = value_of(FAULTS[kind], own, where)
    return fault


def _edge(instant: datetime | None, seconds: float) -> float | datetime:
    if instant is None:
        return seconds
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
