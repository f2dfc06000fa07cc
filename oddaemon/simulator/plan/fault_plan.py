"""Reads faults from a plan file or from a request to the control API.

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
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import get_args

from oddaemon.simulator.api.messages import Endpoint
from oddaemon.simulator.faults import faults
from oddaemon.simulator.faults.faults import Fault, FaultWindow, ScheduledFault
from oddaemon.simulator.faults.row_corruption import ALTERATIONS, get_alteration
from oddaemon.simulator.faults.spellings import SPELLINGS
from oddaemon.simulator.plan.plan_values import PlanError, parse_table

FAULTS = {re.sub(r"(?<=[a-z])(?=[A-Z])", "_", fault.__name__).lower(): fault for fault in get_args(Fault)}
"""All faults by their names in snake case."""


@dataclass(frozen=True)
class _FaultPlacement:
    """The fields of a fault table that all faults share."""

    kind: str
    offices: tuple[str, ...] = ()
    from_seconds: float = 0.0
    until_seconds: float = math.inf
    since: datetime | None = None
    until: datetime | None = None
    calls: tuple[Endpoint, ...] = ()
    skip: int = 0
    hits_max: int | None = None
    chance: float = 1.0


_PLACEMENT_FIELDS = frozenset(_FaultPlacement.__dataclass_fields__)


def parse_fault(table: Mapping[str, object], offices: Iterable[str], where: str) -> ScheduledFault:
    """Read one fault from its table.

    Args:
        table: the table, as in this module's docstring.
        offices: the ids of all existing offices.
        where: the table's name in error messages.

    Raises:
        PlanError: a name is unknown, a value has the wrong type, an office does not exist.
    """
    placement = parse_table(
        _FaultPlacement, {name: value for name, value in table.items() if name in _PLACEMENT_FIELDS}, where
    )
    fault = _make_fault(placement.kind, {name: table[name] for name in table if name not in _PLACEMENT_FIELDS}, where)
    office_ids = {*placement.offices, *([fault.to_office_id] if isinstance(fault, faults.KeyMoved) else [])}
    if unknown_offices := sorted(office_ids - set(offices)):
        raise PlanError(f"{where}: no such office: {', '.join(unknown_offices)}")
    return ScheduledFault(
        fault,
        office_ids=frozenset(placement.offices),
        window=FaultWindow(
            _make_edge(placement.since, placement.from_seconds), _make_edge(placement.until, placement.until_seconds)
        ),
        endpoints=frozenset(placement.calls),
        skip=placement.skip,
        hits_max=placement.hits_max,
        chance=placement.chance,
    )


def _make_fault(kind: str, own: Mapping[str, object], where: str) -> Fault:
    if kind == "altered":  # its own field is the name of a function
        name = own.get("alteration")
        if not isinstance(name, str) or name not in ALTERATIONS or len(own) > 1:
            raise PlanError(f"{where}: alteration must be one of {', '.join(ALTERATIONS)}")
        return get_alteration(name)
    if kind == "respelled" and own.get("spelling") not in SPELLINGS:
        raise PlanError(f"{where}: spelling must be one of {', '.join(SPELLINGS)}")
    if kind not in FAULTS:
        raise PlanError(f"{where}: kind must be one of {', '.join(FAULTS)}")
    fault: Fault = parse_table(FAULTS[kind], own, where)
    return fault


def _make_edge(instant: datetime | None, seconds: float) -> float | datetime:
    if instant is None:
        return seconds
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
