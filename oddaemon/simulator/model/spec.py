"""The specification of one simulated practice. It determines the whole practice.

Two practices with the same spec and the same clock behave identically.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Literal


@dataclass(frozen=True)
class PracticeSpec:
    """One office. The defaults of all fields but the first two describe an ordinary, healthy office.

    Attributes:
        office_id: Name of the office in logs and tests.
        seed: The seed of everything random in the practice.
        zone: IANA zone of the office's server; its `NOW()` is naive local time.
        clock_skew_seconds: The error of the office's clock.
        guarantors: Families with at least one non-zero money column once aged.
        settled: Families whose seven money columns are all zero.
        pat_nums: `dense` 1..n with dependents in between, `sparse` with gaps, `random` 63-bit as replication has.
        first_pat_num: The first of dense and sparse PatNums. A separate range makes them easy to find in other places.
        clinics: Clinics 1..n, the last of several hidden, some families in ClinicNum 0; 0 means clinics are not used.
        program_version: Before 22.2, a run zeroes balances before it fills them. Before 23.3.44, 24.1.14 and 24.2.1, a
            crash blocks all later runs.
        service_time_due: Time of day of the nightly run, `HH:MM:SS`; None is automation off.
        run_seconds: How long an aging run takes.
        start_delay_seconds: The service starts the run this late; above one hour there is no run that night.
        crashes: Office-local nights whose run crashes halfway.
        repeating_charges_time: Time of day at which charges are posted and their families aged, `HH:MM:SS`.
        partial_families: How many families these are.
        partial_seconds: How long aging of these holds the lock.
        monthly: Age on the first of the month only.
        last_aging: `DateLastAging` at the start of the world; `yesterday` of a monthly office is its last first, and
            `last_night` is the day of the last due time.
        three_decimals: Money has three decimals, as old versions stored it.
        activity_per_hour: Families that are recalculated at once because a user posted a charge or payment.
        group_concat_max_len: Bytes after which the database silently cuts a GROUP_CONCAT.
        report_claims: Whose estimates the aging report of a past day holds: of the claims pending `now` or `then`.
        report_credits: Whether the aging report holds families with a credit, or with insurance alone.
        refuses: Additional words that this office's query filter rejects.
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
    repeating_charges_time: str | None = None
    partial_families: int = 5
    partial_seconds: float = 3.0
    monthly: bool = False
    last_aging: Literal["yesterday", "last_night", "never"] | date = "yesterday"
    three_decimals: bool = False
    activity_per_hour: float = 0.0
    group_concat_max_len: int = 1024
    report_claims: Literal["now", "then"] = "now"
    report_credits: bool = True
    refuses: tuple[str, ...] = ()

    def find_last_aging_day(self, now: datetime) -> date | None:
        """The day of the last aging before the world begins at this office-local time; None: the office never aged."""
        if isinstance(self.last_aging, date):
            return self.last_aging
        if self.last_aging == "never":
            return None
        due = self.service_time_due
        if self.last_aging == "last_night" and due is not None and now.time() >= time.fromisoformat(due):
            return now.date()
        yesterday = now.date() - timedelta(days=1)
        return yesterday.replace(day=1) if self.monthly else yesterday
