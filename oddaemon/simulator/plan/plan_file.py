"""A whole world in one file (TOML or JSON): headquarters, its offices and the faults of their night.

    seed = 7
    base = 2025-03-03T09:55:00Z     # the world's clock at the start; absent: the real time
    [headquarters]                  # fields of `HeadquartersOptions`
    [config.api]                    # anything more for the daemon's oddaemon.toml, table by table
    max_in_flight = 64
    [[office]]
    id = "brookside"
    due_in_seconds = 8.0            # aging is due this long after the start
    permission = "standard"         # or read_all, enterprise
    mode = "remote"                 # or local
    guarantors = 4000               # and any other field of `PracticeSpec`
    [office.config]                 # anything more for this office's own configuration
    fresh_by = "07:00"
    [[fault]]                       # see `fault_plan`

The customer keys and everything random follow from the seed. The file must never contain a real key.
"""

import hashlib
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from oddaemon.simulator.api.keys import ApiKey, Mode, Permission
from oddaemon.simulator.faults.faults import ScheduledFault
from oddaemon.simulator.headquarters.options import HeadquartersOptions
from oddaemon.simulator.model.spec import PracticeSpec
from oddaemon.simulator.plan.fault_plan import parse_fault
from oddaemon.simulator.plan.plan_values import PlanError, check_names, parse_table

CUSTOMER_KEY_LETTERS = 16


@dataclass(frozen=True)
class OfficePlan:
    """One office of a plan.

    Attributes:
        spec: the practice; its due time is a placeholder if `due_in_seconds` is given.
        key: its only customer key.
        name: the display name.
        due_in_seconds: the time from the start to the due aging; None keeps the spec's time of day.
        config: additional settings for the daemon's configuration of this office.
    """

    spec: PracticeSpec
    key: ApiKey
    name: str
    due_in_seconds: float | None = None
    config: Mapping[str, object] = field(default_factory=dict)

    def make_spec(self, start: datetime) -> PracticeSpec:
        """Make the spec for a world that starts at this aware instant, with the due time on the office's own clock."""
        if self.due_in_seconds is None:
            return self.spec
        due = compute_due_time(
            self.spec.zone, start, self.due_in_seconds, clock_skew_seconds=self.spec.clock_skew_seconds
        )
        return replace(self.spec, service_time_due=due)


@dataclass(frozen=True)
class SimulatorPlan:
    """A world before it starts.

    Attributes:
        offices: the offices, in the order of the file.
        options: the options of headquarters.
        faults: the scheduled faults.
        seed: the seed of everything random.
        base: the world's clock at the start, aware; None for the real time.
        config: additional tables for the daemon's `oddaemon.toml`.
    """

    offices: Sequence[OfficePlan]
    options: HeadquartersOptions = field(default_factory=HeadquartersOptions)
    faults: Sequence[ScheduledFault] = ()
    seed: int = 0
    base: datetime | None = None
    config: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class _OfficeTable:
    """The keys of an `[[office]]` that are not fields of its practice."""

    id: str
    name: str | None = None
    customer_key: str | None = field(default=None, repr=False)
    permission: Permission = Permission.QUERIES
    mode: Mode = Mode.REMOTE
    spacing_seconds: float | None = None
    rows_max: int | None = None
    due_in_seconds: float | None = None
    config: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class _Document:
    """The keys of a plan file."""

    seed: int = 0
    base: datetime | None = None
    headquarters: dict[str, object] = field(default_factory=dict)
    config: dict[str, object] = field(default_factory=dict)
    office: list[dict[str, object]] = field(default_factory=list)
    fault: list[dict[str, object]] = field(default_factory=list)


_OFFICE_FIELDS = {each.name for each in fields(_OfficeTable)}
_SPEC_FIELDS = {each.name for each in fields(PracticeSpec)} - {"office_id"}


def read_plan(path: Path) -> SimulatorPlan:
    """Read the plan from a file: JSON if its name ends with `.json`, else TOML.

    Raises:
        PlanError: the file cannot be parsed, or the plan is not valid.
        OSError: the file cannot be read.
    """
    text = path.read_text(encoding="utf-8")
    try:
        document = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except ValueError as error:
        raise PlanError(f"{path}: {error}") from error
    try:
        return parse_plan(document)
    except PlanError as error:
        raise PlanError(f"{path}: {error}") from error


def parse_plan(document: Mapping[str, object]) -> SimulatorPlan:
    """Read the plan from a parsed document.

    Raises:
        PlanError: a name is unknown, a value has the wrong type, or an id or a key occurs twice.
    """
    plan = parse_table(_Document, document, "plan")
    offices = [_parse_office(table, plan.seed, f"office[{number}]") for number, table in enumerate(plan.office, 1)]
    ids = [office.spec.office_id for office in offices]
    for what, all_of_them in (("id", ids), ("customer_key", [office.key.customer_key for office in offices])):
        if len(set(all_of_them)) < len(all_of_them):
            raise PlanError(f"office: two have the same {what}")
    return SimulatorPlan(
        offices,
        options=parse_table(HeadquartersOptions, plan.headquarters, "headquarters"),
        faults=[parse_fault(table, ids, f"fault[{number}]") for number, table in enumerate(plan.fault, 1)],
        seed=plan.seed,
        base=plan.base if plan.base is None or plan.base.tzinfo else plan.base.replace(tzinfo=UTC),
        config=plan.config,
    )


def derive_customer_key(seed: int, office_id: str) -> str:
    """Make the customer key of an office whose plan has none: 16 letters and digits, like real keys."""
    return hashlib.sha256(f"{seed}/{office_id}".encode()).hexdigest()[:CUSTOMER_KEY_LETTERS]


def compute_due_time(zone: str, now: datetime, seconds: float, *, clock_skew_seconds: float = 0.0) -> str:
    """The `service_time_due` that is reached in `seconds`.

    Args:
        zone: IANA zone of the office.
        now: The world's instant, aware.
        seconds: The time from now; rounded up to the office's next whole second.
        clock_skew_seconds: The error of the office's clock.

    Returns:
        `HH:MM:SS` on the office's clock.
    """
    instant = now + timedelta(seconds=seconds + clock_skew_seconds)
    local = instant.astimezone(ZoneInfo(zone))
    if local.microsecond:
        local = local.replace(microsecond=0) + timedelta(seconds=1)
    return f"{local:%H:%M:%S}"


def _parse_office(table: Mapping[str, object], seed: int, where: str) -> OfficePlan:
    check_names(table, _OFFICE_FIELDS | _SPEC_FIELDS, where)
    own = parse_table(_OfficeTable, {name: value for name, value in table.items() if name in _OFFICE_FIELDS}, where)
    spec = {
        "seed": int(hashlib.sha256(f"{seed}/{own.id}".encode()).hexdigest()[:8], 16),
        **{name: value for name, value in table.items() if name in _SPEC_FIELDS},
        "office_id": own.id,
    }
    return OfficePlan(
        spec=parse_table(PracticeSpec, spec, where),
        key=ApiKey(
            customer_key=own.customer_key or derive_customer_key(seed, own.id),
            office_id=own.id,
            permission=own.permission,
            mode=own.mode,
            spacing_override_seconds=own.spacing_seconds,
            rows_override=own.rows_max,
        ),
        name=own.name or own.id,
        due_in_seconds=own.due_in_seconds,
        config=own.config,
    )
