"""Writes the generated parts of `architecture.md`: the layers, the way of a balance, the state machine.

`python -m docs.architecture --write` writes them; without `--write` the page is printed.
"""

import inspect
import re
import sys
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from docs import state_diagram
from docs.contract_words import render_table
from oddaemon.core.office.machine import next_action
from oddaemon.core.snapshot.verify import find_difference
from oddaemon.engine.offices.worker import Worker
from oddaemon.engine.pull.reader import read_office
from oddaemon.opendental.decode import parse_packed
from oddaemon.opendental.document import decode_rows
from oddaemon.opendental.request_runner import RequestRunner
from oddaemon.opendental.response import send_request
from oddaemon.opendental.session import Session
from oddaemon.sinks.payload import build_rows
from oddaemon.sinks.webhook import Webhook, make_signature_headers, render_body
from oddaemon.store.outbox import enqueue, load_next
from oddaemon.store.payloads import load_payload
from oddaemon.store.snapshots import publish

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "architecture.md"

PACKAGES: Mapping[str, str] = {
    "cli": "commands, tables, top, demo",
    "daemon": "process, signals, start and stop",
    "admin": "control socket: commands, inspection",
    "web": "pages, API, metrics endpoint",
    "engine": "workers, couriers, backfill, reload, monitoring, maintenance",
    "opendental": "API client",
    "store": "database",
    "sinks": "destinations",
    "sftp": "receiver of uploads",
    "settings": "TOML to settings",
    "http_server": "hardened listener",
    "postgres_client": "parameters of a connection to PostgreSQL",
    "telemetry": "events, log, metrics",
    "http_client": "TLS of outgoing connections",
    "core": "pure decisions: state machine, verification, failures, reports",
}

BALANCE_PATH: Mapping[Callable[..., Any], str] = {
    Worker.run: "performs what the state machine decided: here, to pull",
    read_office: "reads the office in statements or pages, and continues after its checkpoint",
    Session.query: "sends a statement",
    RequestRunner.run: "finds the key that the API accepts, waits for the rate limiter and the circuit breaker",
    send_request: "sends the request and reads a body of bounded size",
    decode_rows: "bytes to JSON rows",
    parse_packed: "packed columns to balances by patient number",
    find_difference: "compares count, sums and checksum with the office's control totals",
    next_action: "decides to publish",
    publish: "writes snapshot, changes, deliveries and state in one transaction",
    enqueue: "queues a delivery for each sink, in that transaction",
    load_next: "finds the next deliveries of a sink",
    load_payload: "reads the snapshot, or its changes since the last delivery",
    Webhook.deliver: "splits it into parts",
    build_rows: "rows in the columns of the contract",
    render_body: "JSON",
    make_signature_headers: "signs the part; a 2xx response acknowledges it",
}
"""Each step of a balance from the response of the API to a webhook, in the order of a night."""


def render_layers() -> str:
    """The layers of the import contract, the upper one first."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    (layers,) = (each["layers"] for each in contracts if each["type"] == "layers")
    lines = ["```mermaid", "flowchart TB"]
    for number, layer in enumerate(layers):
        lines.append(f'    subgraph layer{number}[" "]')
        lines += [f'        {name}["<b>{name}</b><br/>{PACKAGES[name]}"]' for name in layer.split(" | ")]
        lines.append("    end")
    lines += [f"    layer{number} --> layer{number + 1}" for number in range(len(layers) - 1)]
    return "\n".join([*lines, "```"])


def render_balance_path() -> str:
    """The steps as a table."""
    rows = [
        (str(number), f"`{_get_path(function)}`", f"`{function.__qualname__}`", step)
        for number, (function, step) in enumerate(BALANCE_PATH.items(), start=1)
    ]
    return render_table(("", "file", "function", "what it does"), rows)


def _get_path(function: Callable[..., Any]) -> str:
    return str(Path(inspect.getfile(function)).relative_to(ROOT / "oddaemon"))


PARTS: Mapping[str, Callable[[], str]] = {
    "layers": render_layers,
    "balance path": render_balance_path,
    "state diagram": state_diagram.render_diagram,
}


def render_page(text: str) -> str:
    """The page with its generated parts as they are now."""
    for name, render in PARTS.items():
        pattern = f"(?<=<!-- {name}: begin -->\n).*?(?=<!-- {name}: end -->)"
        part = f"{render()}\n"
        text, found = re.subn(pattern, lambda _, part=part: part, text, flags=re.DOTALL)  # type: ignore[misc]  # the default binds the loop's value
        assert found == 1, f"the page has no place for {name}"
    return text


if __name__ == "__main__":
    page = render_page(PAGE.read_text(encoding="utf-8"))
    if "--write" in sys.argv:
        PAGE.write_text(page, encoding="utf-8")
    else:
        print(page)  # noqa: T201
