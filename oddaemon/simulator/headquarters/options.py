from dataclasses import dataclass, field

from oddaemon.simulator.headquarters.throttle import WAITING_MAX

PROCESSING_LIMIT_SECONDS = 60.0
"""Documented: a request that takes longer is answered 504."""


@dataclass(frozen=True)
class HeadquartersOptions:
    """How this headquarters behaves where the real one was seen to differ, or where only a scale is known.

    Attributes:
        developer_key: the one developer key that is accepted.
        developer_name: the name under which the offices list it.
        base_seconds: execution time of any request.
        query_seconds: what a ShortQuery takes more than that.
        row_seconds: what each row of an answer takes more.
        report_seconds: what an aging report takes more, whichever page of it is wanted.
        waiting_max: how many requests of a key may wait before 429.
        processing_limit_seconds: beyond it, 504.
        offset_gives_everything: the quirk: with an offset above 0 the page has no cap.
        filters_ignored: the quirk: PrefName is ignored and the whole list comes.
        absent_is_404: an unknown preference is 404 instead of an empty list.
    """

    developer_key: str = field(default="simulated-developer-key", repr=False)
    developer_name: str = "oddaemon"
    base_seconds: float = 0.05
    query_seconds: float = 0.05
    row_seconds: float = 0.0
    report_seconds: float = 2.0
    waiting_max: int = WAITING_MAX
    processing_limit_seconds: float = PROCESSING_LIMIT_SECONDS
    offset_gives_everything: bool = False
    filters_ignored: bool = False
    absent_is_404: bool = False
