"""The specification of one simulated practice; the whole practice follows from it.

Two practices of equal spec and equal clock live exactly the same life.
"""

from dataclasses import dataclass
from datetime import date
from typing import Literal


@dataclass(frozen=True)
class PracticeSpec:
    """One office; every field but the first two has a plain, healthy default.

    Attributes:
        office_id: Name of the office in logs and tests.
        seed: Everything random in the practice follows from it.
        zone: IANA zone of the office's server; its `NOW()` is naive in it.
        clock_skew_seconds: The office's clock is off by this much.
        guarantors: Families with at least one non-zero money column once aged.
        settled: Families whose seven money columns are all zero.
        pat_nums: `dense` 1..n with dependents in between, `sparse` with gaps, `random` 63-bit as replication has.
        first_pat_num: Where dense and sparse PatNums begin; a range of its own makes one easy to find anywhere else.
        clinics: Clinics 1..n, the last of several hidden, some families in ClinicNum 0; 0 means clinics are not used.
        program_version: Before 22.2 a run zeroes balances before it refills them, and a crashed run blocks for ever.
        service_time_due: Time of day of the nightly run, `HH:MM:SS`; None is automation off.
        run_seconds: How long an aging run takes.
        start_delay_seconds: The service starts the run this late; above one hour there is no run that night.
        crashes: Office-local nights whose run crashes half-way.
        monthly: Age on the first of the month only.
        last_aging: `DateLastAging` at the start of the world; `yesterday` of a monthly office is its last first.
        three_decimals: Money has three decimals, as old versions stored it.
        activity_per_hour: Families recalculated at once because a user posted a charge or payment.
        group_concat_max_len: Bytes after which the database silently cuts a GROUP_CONCAT.
        refuses: Words that this office's query filter rejects besides the usual ones.
    """

    office_id: str
    seed: int
    zone: str = "America/Los_Angeles"
    clock_skew_seconds: float = 0.0
    guarantors: int = 300
    settled: int = 100
    pat_nums: Literal["dense", "sparse", "random"] = "dense"
    first_pat_num: int = 1
    clinics: int = 0
    program_version: str = "25.4.48.0"
    service_time_due: str | None = "02:00:00"
    run_seconds: float = 120.0
    start_delay_seconds: float = 0.0
    crashes: tuple[date, ...] | Literal["always"] = ()
    monthly: bool = False
    last_aging: Literal["yesterday", "never"] | date = "yesterday"
    three_decimals: bool = False
    activity_per_hour: float = 0.0
    group_concat_max_len: int = 1024
    refuses: tuple[str, ...] = ()
