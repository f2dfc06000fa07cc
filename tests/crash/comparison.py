"""Whether a run with kills ended like the run without, and how many requests it repeated."""

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import unified_diff

from tests.crash.request_interceptor import RequestKind
from tests.crash.scenario_run import ScenarioRun

BALANCE_REQUESTS = (RequestKind.STATEMENT, RequestKind.PAGE)
"""What brings balances; a control is only asked together with one."""
LINES_MAX = 30
LINE_LENGTH_MAX = 200


@dataclass(frozen=True)
class Baseline:
    """The run of a scenario without a kill."""

    run: ScenarioRun
    commits: int


def count_refetched(run: ScenarioRun, baseline: Baseline) -> dict[str, int]:
    """How many pages, or statements of a packed office, each office gave more often than without kills."""
    offices = {office_id for office_id, _ in baseline.run.fetched}
    return {
        office_id: sum(
            run.fetched[office_id, asked] - baseline.run.fetched[office_id, asked] for asked in BALANCE_REQUESTS
        )
        for office_id in offices
    }


def find_problems(run: ScenarioRun, baseline: Baseline) -> Iterator[str]:
    """The problems of a run; none: no kill has left a trace."""
    yield from run.problems
    if run.final_state and run.final_state != baseline.run.final_state:
        yield (
            "the database is another one than without "
            f"kills:\n{format_difference(baseline.run.final_state, run.final_state)}"
        )
    for office_id, refetched in count_refetched(run, baseline).items():
        if refetched > run.kill_count:
            yield f"{refetched} pages of {office_id} were fetched again for {run.kill_count} kills"
    for (office_id, asked), times in run.fetched.items():
        refetched = times - baseline.run.fetched[office_id, asked]
        if asked is RequestKind.CONTROL and refetched > run.kill_count:
            yield f"{refetched} controls of {office_id} were taken again for {run.kill_count} kills"


def format_difference(expected: bytes, found: bytes) -> str:
    """What of two remains is not equal, column by column."""
    lines = unified_diff(_split_columns(expected), _split_columns(found), "without kills", "with", n=1, lineterm="")
    shown = [line[:LINE_LENGTH_MAX] for line in lines]
    return "\n".join([*shown[:LINES_MAX], *(["..."] if len(shown) > LINES_MAX else [])])


def _split_columns(dump: bytes) -> list[str]:
    return dump.decode().replace(', "', ',\n    "').split("\n")
