from dataclasses import dataclass, field

from oddaemon.simulator.headquarters.throttle import WAITING_MAX

PROCESSING_LIMIT_SECONDS = 60.0
"""Documented: a request that takes longer receives 504."""


@dataclass(frozen=True)
class HeadquartersOptions:
    """Behaviour in which the real headquarters varies, or of which only the scale is known.

    Attributes:
        developer_key: the only developer key that headquarters accepts.
        developer_name: its name in the offices' lists.
        base_seconds: execution time of any request.
        query_seconds: additional time of a ShortQuery.
        row_seconds: additional time per row of the response.
        report_seconds: additional time of an aging report, for every page.
        waiting_max: the number of requests of a key that may wait; the next one receives 429.
        processing_limit_seconds: the execution time after which a request receives 504.
        offset_gives_everything: the quirk: with an offset above 0 the page has no cap.
        filters_ignored: the quirk: PrefName is ignored and a page of the whole list is returned.
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
