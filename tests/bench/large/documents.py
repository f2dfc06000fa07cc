"""10,000 offices: what a core needs to read their files and to show all of them. CPU, as wall time is noisy.

python -m tests.bench.large.documents
"""

import json
import os
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from oddaemon.core.reporting.status_document import OfficeStatus, make_status_document
from oddaemon.settings import OfficeFileCache, try_load
from oddaemon.telemetry.telemetry import Telemetry
from oddaemon.web.pages.fleet_feed import render_fleet
from oddaemon.web.pages.rendered import RenderedFleet
from oddaemon.web.pages.renderer import Renderer
from oddaemon.web.pages.search import Search
from oddaemon.web.pages.view_models import FleetPageView
from tests.bench.harness.figure import Measurement, Step, make_figure
from tests.bench.server import DEVELOPER_KEY, make_customer_key
from tests.browser.sample_fleet import NOW, make_fleet

OFFICES = 10_000
ROUNDS = 5
WRITTEN_AT = 1_700_000_000
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def measure() -> Measurement:
    """First the files, then what is shown of the offices."""
    yield Step("files")
    with tempfile.TemporaryDirectory() as name:
        main, cache = _write_configuration(Path(name)), OfficeFileCache()
        seconds = [_time(lambda: try_load(main)) for _ in range(ROUNDS)]
        yield make_figure(f"reading {OFFICES:,} files, CPU", seconds, "s", goal=4)
        try_load(main, cache=cache)
        seconds = [_time(lambda: try_load(main, cache=cache)) for _ in range(ROUNDS)]
        yield make_figure("reading them again, CPU", seconds, "s", goal=0.5)
    yield Step("documents")
    fleet = make_fleet(OFFICES)
    telemetry = Telemetry(write=lambda _: None, now=lambda: datetime.now(UTC), version="bench")
    telemetry.add_secrets(make_customer_key(office.id) for office in fleet.lines)
    renderer = Renderer(telemetry.redact, str)
    rendered = render_fleet(renderer, RenderedFleet(), FleetPageView(tuple(fleet.lines)))
    page = renderer.render_fleet_page(rendered, Search(), "", NOW)
    yield make_figure("the page", len(page.encode()) / 1000, "kB", goal=500, is_exact=True)
    statuses = [OfficeStatus(each.id, each.name, each.status, None, each.snapshot) for each in fleet.lines]
    shown: dict[str, Callable[[], object]] = {
        "rendering the page, CPU": lambda: renderer.render_fleet_page(rendered, Search(), "", NOW),
        "a scrape, CPU": lambda: telemetry.render(statuses),
        "a scrape of OpenMetrics, CPU": lambda: telemetry.render(statuses, OPENMETRICS),
        "the status document, CPU": lambda: json.dumps(
            telemetry.redact_fields({**make_status_document(statuses, NOW)})
        ),
    }
    goals = {"rendering the page, CPU": 0.5, "a scrape, CPU": 0.4, "a scrape of OpenMetrics, CPU": 0.4}
    for what, action in shown.items():
        yield make_figure(what, [_time(action) for _ in range(ROUNDS)], "s", goal=goals.get(what))


def _write_configuration(directory: Path) -> Path:
    """`oddaemon.toml` and a file for each office, all written long ago."""
    main, offices = directory / "oddaemon.toml", directory / "offices.d"
    offices.mkdir()
    _write(main, f'[api]\ndeveloper_key = "{DEVELOPER_KEY}"\n[offices]\ndirectory = "offices.d"\n')
    for number in range(OFFICES):
        office = f"office-{number:05}"
        text = f'[[office]]\nid = "{office}"\nname = "Office {number} Dental"\ntimezone = "America/Chicago"\n'
        _write(offices / f"{office}.toml", f'{text}customer_key = "{make_customer_key(office)}"\n')
    time.sleep(3)  # a file that has just been written is read again
    return main


def _write(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
    os.utime(path, (WRITTEN_AT, WRITTEN_AT))


def _time(action: Callable[[], object]) -> float:
    """Seconds of CPU."""
    began = time.process_time()
    action()
    return time.process_time() - began


if __name__ == "__main__":
    for each in measure():
        print(each)  # noqa: T201
