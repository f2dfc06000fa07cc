"""The world that a seed draws: a few small offices of every sort, the nights that they run, and what is wanted of
them.

Nothing fails here yet. Sizes are small: how things meet matters, not how many there are.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from random import Random
from typing import Literal
from zoneinfo import ZoneInfo

from oddaemon.core.model import Cadence, Include, OfficeCredentials, OfficeSpec, Reader
from oddaemon.settings import OfficeSettings, Secret
from oddaemon.simulator.model.spec import PracticeSpec
from tests.engine.request_recorder import CUSTOMER_KEY_PREFIX
from tests.simulation.scenario.seeded_random import draw_chance

DEVELOPER_KEY = "planted-developer-key"
HOUR = 3600.0
DAY = 24 * HOUR

ZONES = (
    *("America/Los_Angeles", "America/Denver", "America/Phoenix", "America/Chicago", "America/New_York"),
    *("Pacific/Honolulu", "America/St_Johns", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kolkata"),
)
TIMES_DUE = (
    *("02:00:00", "02:30:00", "01:30:00", "01:00:00", "03:00:00", "04:15:00", "05:30:00"),
    *("00:00:00", "00:10:00", "23:30:00", "23:59:59", "20:00:00"),
)
VERSIONS = ("25.4.48.0", "24.3.41.0", "22.2.5.0", "22.1.9.0", "21.3.27.0")
VERSION_WEIGHTS = (50, 20, 10, 10, 10)
FIRST_VERSION_OF_TWO_DECIMALS = 22

SPRING_FORWARD = datetime(2026, 3, 7, 12, tzinfo=UTC)
"""Half a day before the clocks of America change; those of Europe do three weeks later."""
FALL_BACK = datetime(2026, 10, 31, 12, tzinfo=UTC)
ORDINARY = datetime(2026, 5, 12, tzinfo=UTC)
CHANGES_OF_CLOCKS = (
    SPRING_FORWARD,
    FALL_BACK,
    datetime(2026, 3, 28, 6, tzinfo=UTC),  # Europe, forward
    datetime(2026, 10, 24, 6, tzinfo=UTC),  # Europe, back
    datetime(2026, 4, 4, 0, tzinfo=UTC),  # Lord Howe, half an hour back
    datetime(2026, 10, 3, 0, tzinfo=UTC),  # Lord Howe, half an hour forward
)

FIRST_PAT_NUM = 431_000_000
PAT_NUMS_AN_OFFICE = 1_000_000
"""No count, size or time in a log is like a PatNum, so that one in the wrong place is recognised."""


OFFICES_AND_NIGHTS = (*((3, 2),) * 7, *((4, 2),) * 4, (5, 2), (5, 2), (6, 2), (8, 2), (3, 3), (4, 3), (3, 4))


@dataclass(frozen=True)
class FleetMember:
    """One office: the practice as it is, and what is wanted of it."""

    spec: PracticeSpec
    settings: OfficeSettings
    rows_max: int | None = None
    """A page cap of its server other than the documented one."""

    @property
    def id(self) -> str:
        return self.spec.office_id


@dataclass(frozen=True)
class SimulatedFleet:
    """All offices of one scenario."""

    base: datetime
    nights: int
    members: tuple[FleetMember, ...]
    cadence: Cadence

    @property
    def seconds(self) -> float:
        """How long incidents may last."""
        return self.nights * DAY

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(member.id for member in self.members)

    @property
    def remote_ids(self) -> tuple[str, ...]:
        """The offices that are reached through headquarters."""
        return tuple(member.id for member in self.members if member.settings.credentials.remote)

    def get_member(self, office_id: str) -> FleetMember:
        return next(member for member in self.members if member.id == office_id)


def draw_fleet(rng: Random) -> SimulatedFleet:
    """Draw the fleet; the same random numbers draw the same one."""
    base = rng.choice(CHANGES_OF_CLOCKS) if draw_chance(rng, 0.3) else ORDINARY + timedelta(days=rng.randint(0, 99))
    base += timedelta(seconds=rng.randint(0, int(DAY / 2)))
    ((count, nights),) = rng.choices(OFFICES_AND_NIGHTS)
    members = tuple(_draw_member(number, Random(rng.getrandbits(32))) for number in range(1, count + 1))
    return SimulatedFleet(base, nights, members, _draw_cadence(rng))


def _draw_cadence(rng: Random) -> Cadence:
    """Idle offices are probed less often than by default: the result of a probe matters, not the number of probes."""
    return Cadence(
        probe_seconds=rng.choice((60.0, 120.0, 240.0, 240.0, 240.0, 300.0, 300.0)),
        late_probe_seconds=rng.choice((300.0, 900.0, 1800.0, 1800.0, 3600.0)),
        idle_probe_seconds=rng.choice((3600.0, 7200.0, 10_800.0, 10_800.0)),
        blocked_probe_seconds=rng.choice((1800.0, 3600.0)),
        retry_after_max_seconds=rng.choice((3600.0, 21_600.0)),
    )


def _draw_member(number: int, rng: Random) -> FleetMember:
    spec = _draw_spec(number, rng)
    office = _draw_office(spec, rng)
    credentials = OfficeCredentials(
        office_id=spec.office_id,
        developer_key=Secret(DEVELOPER_KEY),
        customer_key=Secret(CUSTOMER_KEY_PREFIX + spec.office_id),
        base_url="http://127.0.0.1:1/api/v1",
        min_interval_seconds=rng.choice((1.0, 1.0, 0.5)),
        remote=True,
    )
    if draw_chance(rng, 0.12):
        credentials = replace(
            credentials, min_interval_seconds=0.0, remote=False, base_url="http://192.168.0.5:30223/api/v1"
        )
    settings = OfficeSettings(office, credentials, source=Path("offices.toml"))
    rows_max = rng.choice((10, 37, 99, 1000)) if draw_chance(rng, 0.15) else None
    return FleetMember(spec, settings, rows_max)


def _draw_spec(number: int, rng: Random) -> PracticeSpec:
    version = rng.choices(VERSIONS, VERSION_WEIGHTS)[0]
    guarantors = rng.randint(20, 120) if draw_chance(rng, 0.9) else rng.choice((0, 1, 5))
    return PracticeSpec(
        office_id=f"office-{number}",
        seed=rng.getrandbits(32),
        zone=rng.choice(ZONES),
        clock_skew_seconds=rng.choice((-300.0, -45.0, 20.0, 45.0, 400.0, 40_000.0)) if draw_chance(rng, 0.15) else 0.0,
        guarantors=guarantors,
        settled=rng.randint(5, 30),
        pat_nums=_draw_pat_num_kind(rng),
        first_pat_num=FIRST_PAT_NUM + number * PAT_NUMS_AN_OFFICE,
        clinics=rng.randint(2, 4) if draw_chance(rng, 0.2) else 0,
        program_version=version,
        service_time_due=rng.choice(TIMES_DUE),
        run_seconds=rng.choice((5.0, 20.0, 20.0, 90.0, 90.0, 240.0, 240.0, 900.0, 2400.0)),
        start_delay_seconds=rng.choice((0.0, 0.0, 0.0, 10.0, 10.0, 60.0, 300.0, 3000.0)),
        monthly=version < "22.2" and draw_chance(rng, 0.1),
        last_aging="never" if draw_chance(rng, 0.05) else "yesterday",
        three_decimals=int(version.partition(".")[0]) < FIRST_VERSION_OF_TWO_DECIMALS,
        activity_per_hour=rng.choice((0.0, 0.0, 1.0, 6.0)),
        group_concat_max_len=1_048_576 if draw_chance(rng, 0.2) else 1024,
        refuses=("GROUP_CONCAT",) if draw_chance(rng, 0.08) else (),
    )


def _draw_office(spec: PracticeSpec, rng: Random) -> OfficeSpec:
    zone: ZoneInfo | None = ZoneInfo(spec.zone)
    if draw_chance(rng, 0.25):
        zone = ZoneInfo(rng.choice(ZONES)) if draw_chance(rng, 0.4) else None
    reader = Reader.PAGES if draw_chance(rng, 0.25) else Reader.AUTO
    return OfficeSpec(
        spec.office_id,
        f"Practice {spec.office_id}",
        zone=zone,
        clinics=tuple(sorted(rng.sample(range(spec.clinics + 1), 2))) if spec.clinics and draw_chance(rng, 0.3) else (),
        include=Include.DEBTS if draw_chance(rng, 0.2) else Include.ALL,
        reader=reader,
        fresh_by=rng.choice((time(7), time(5), time(12), None)),
        page_rows=rng.choice((100, 100, 40, 15)),
    )


def _draw_pat_num_kind(rng: Random) -> Literal["dense", "sparse", "random"]:
    return rng.choices(("dense", "sparse", "random"), (70, 20, 10))[0]
