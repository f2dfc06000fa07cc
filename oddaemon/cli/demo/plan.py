"""The simulator's plan for the demo: its offices, and a cadence at which a night takes seconds."""

import json
from collections.abc import Sequence

from oddaemon.cli.demo.offices import OfficeScenario

SPACING_SECONDS = 0.2
"""Between two requests of a key; a real one is 1 s."""
MAX_IN_FLIGHT = 16
MAX_REQUESTS_PER_SECOND = 60.0
RETRY_AFTER_MAX_SECONDS = 5.0
DRAIN_SECONDS = 5.0

CONFIG = {
    "api": {
        "max_in_flight": MAX_IN_FLIGHT,
        "max_requests_per_second": MAX_REQUESTS_PER_SECOND,
        "request_timeout_seconds": 20.0,
    },
    "cadence": {
        "probe_seconds": 0.5,
        "late_probe_seconds": 3.0,
        "idle_probe_seconds": 3.0,
        "blocked_probe_seconds": 3.0,
        "stuck_after_seconds": 10.0,
        "backoff_base_seconds": 0.3,
        "backoff_max_seconds": 3.0,
        "retry_after_max_seconds": RETRY_AFTER_MAX_SECONDS,
    },
    "daemon": {"drain_seconds": DRAIN_SECONDS},
    # The demo follows the daemon's log page by page.
    "log": {"format": "json", "level": "debug"},
}


def render_plan(scenarios: Sequence[OfficeScenario], seed: int) -> str:
    """The plan for `oddaemon simulator --plan`, as JSON."""
    plan = {
        "seed": seed,
        "config": CONFIG,
        "office": [
            {"id": scenario.id, "spacing_seconds": SPACING_SECONDS, **scenario.office} for scenario in scenarios
        ],
        "fault": [{**fault, "offices": [scenario.id]} for scenario in scenarios for fault in scenario.faults],
    }
    return json.dumps(plan, indent=1, default=str)
