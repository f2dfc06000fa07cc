"""The world that a seed draws: a few small offices of every sort, the nights they live through, and what is wanted of
them.

Nothing in here is in trouble yet. Sizes are small, as what matters is how things meet, not how much there is of them.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from random import Random
from typing import Literal
from zoneinfo import ZoneInfo

from oddaemon.core.model import Cadence, Include, Office, Reader
from oddaemon.settings import OfficeSettings, Secret
from oddaemon.simulator.model.spec import PracticeSpec
from tests.engine.eavesdropper import CUSTOMER_KEY_PREFIX
from tests.simulation.chances import of

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
class Member:
    """One office: the practice as it is, and what is wanted of it."""

    spec: PracticeSpec
    settings: OfficeSettings
    rows_max: int | None = None
    """A page cap of its server other than the documented one."""

    @property
    def id(self) -> str:
        return self.spec.office_id


@dataclass(frozen=True)
class Cast:
    """Everybody in one seed's world."""

    base: datetime
    nights: int
    members: tuple[Member, ...]
    cadence: Cadence

    @property
    def seconds(self) -> float:
        """How long troubles may last."""
        return self.nights * DAY

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(member.id for member in self.members)

    @property
    def remote_ids(self) -> tuple[str, ...]:
        """Whoever is reached through headquarters."""
        return tuple(member.id for member in self.members if member.settings.remote)

    def member(self, office_id: str) -> Member:
        return next(member for member in self.members if member.id == office_id)


def draw_cast(dice: Random) -> Cast:
    """Everybody, the same for the same dice."""
    base = dice.choice(CHANGES_OF_CLOCKS) if of(dice, 0.3) else ORDINARY + timedelta(days=dice.randint(0, 99))
    base += timedelta(seconds=dice.randint(0, int(DAY / 2)))
    ((count, nights),) = dice.choices(OFFICES_AND_NIGHTS)
    members = tuple(_member(number, Random(dice.getrandbits(32))) for number in range(1, count + 1))
    return Cast(base, nights, members, _cadence(dice))


def _cadence(dice: Random) -> Cadence:
    """Idle offices are asked more rarely than by default: what counts is what comes of a probe, not how many come."""
    return Cadence(
        probe_seconds=dice.choice((60.0, 120.0, 240.0, 240.0, 240.0, 300.0, 300.0)),
        late_probe_seconds=dice.choice((300.0, 900.0, 1800.0, 1800.0, 3600.0)),
        idle_probe_seconds=dice.choice((3600.0, 7200.0, 10_800.0, 10_800.0)),
        blocked_probe_seconds=dice.choice((1800.0, 3600.0)),
        retry_after_max_seconds=dice.choice((3600.0, 21_600.0)),
    )


def _member(number: int, dice: Random) -> Member:
    spec = _spec(number, dice)
    settings = OfficeSettings(
        office=_office(spec, dice),
        customer_key=Secret(CUSTOMER_KEY_PREFIX + spec.office_id),
        base_url="http://127.0.0.1:1/api/v1",
        min_interval_seconds=dice.choice((1.0, 1.0, 0.5)),
        remote=True,
        source=Path("offices.toml"),
    )
    if of(dice, 0.12):
        settings = replace(settings, min_interval_seconds=0.0, remote=False, base_url="http://192.168.0.5:30223/api/v1")
    rows_max = dice.choice((10, 37, 99, 1000)) if of(dice, 0.15) else None
    return Member(spec, settings, rows_max)


def _spec(number: int, dice: Random) -> PracticeSpec:
    version = dice.choices(VERSIONS, VERSION_WEIGHTS)[0]
    guarantors = dice.randint(20, 120) if of(dice, 0.9) else dice.choice((0, 1, 5))
    return PracticeSpec(
        office_id=f"office-{number}",
        seed=dice.getrandbits(32),
        zone=dice.choice(ZONES),
        clock_skew_seconds=dice.choice((-300.0, -45.0, 20.0, 45.0, 400.0, 40_000.0)) if of(dice, 0.15) else 0.0,
        guarantors=guarantors,
        settled=dice.randint(5, 30),
        pat_nums=_pat_nums(dice),
        first_pat_num=FIRST_PAT_NUM + number * PAT_NUMS_AN_OFFICE,
        clinics=dice.randint(2, 4) if of(dice, 0.2) else 0,
        program_version=version,
        service_time_due=dice.choice(TIMES_DUE),
        run_seconds=dice.choice((5.0, 20.0, 20.0, 90.0, 90.0, 240.0, 240.0, 900.0, 2400.0)),
        start_delay_seconds=dice.choice((0.0, 0.0, 0.0, 10.0, 10.0, 60.0, 300.0, 3000.0)),
        monthly=version < "22.2" and of(dice, 0.1),
        last_aging="never" if of(dice, 0.05) else "yesterday",
        three_decimals=int(version.partition(".")[0]) < FIRST_VERSION_OF_TWO_DECIMALS,
        activity_per_hour=dice.choice((0.0, 0.0, 1.0, 6.0)),
        group_concat_max_len=1_048_576 if of(dice, 0.2) else 1024,
        refuses=("GROUP_CONCAT",) if of(dice, 0.08) else (),
    )


def _office(spec: PracticeSpec, dice: Random) -> Office:
    zone: ZoneInfo | None = ZoneInfo(spec.zone)
    if of(dice, 0.25):
        zone = ZoneInfo(dice.choice(ZONES)) if of(dice, 0.4) else None
    reader = Reader.PAGES if of(dice, 0.25) else Reader.AUTO
    return Office(
        spec.office_id,
        f"Practice {spec.office_id}",
        zone=zone,
        clinics=tuple(sorted(dice.sample(range(spec.clinics + 1), 2))) if spec.clinics and of(dice, 0.3) else (),
        include=Include.DEBTS if of(dice, 0.2) else Include.ALL,
        reader=reader,
        fresh_by=dice.choice((time(7), time(5), time(12), None)),
        page_rows=dice.choice((100, 100, 40, 15)),
    )


def _pat_nums(dice: Random) -> Literal["dense", "sparse", "random"]:
    return dice.choices(("dense", "sparse", "random"), (70, 20, 10))[0]
