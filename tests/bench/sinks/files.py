"""Rows into files: each proved and durable, beside a plain script that writes CSV."""

import csv
import tempfile
import time
from functools import partial
from pathlib import Path

from oddaemon.core.model import Balance
from oddaemon.core.snapshot.payload import Payload
from oddaemon.sinks.files import Files
from oddaemon.sinks.formats.export import FileFormat
from tests.bench.harness.figure import Better, Measurement, divide_pairwise, make_figure
from tests.bench.harness.rounds import interleave
from tests.bench.sinks.sample import make_payload

ROWS = 200_000
ROUNDS = 3
FORMS = (FileFormat.CSV, FileFormat.NDJSON, FileFormat.PARQUET)


def measure() -> Measurement:
    """The script and each format in turn."""
    payload = make_payload(ROWS)
    variants = {"script": partial(_run_script, payload)} | {
        form.value: partial(_run_sink, payload, form) for form in FORMS
    }
    rates = yield from interleave(variants, ROUNDS)
    script = rates.pop("script")
    yield make_figure("into a CSV file, plain csv script", script, "rows/s", Better.NEITHER)
    for form, rate in rates.items():
        yield make_figure(f"into a {form} file", rate, "rows/s", Better.MORE)
        ratio = divide_pairwise(rate, script)
        yield make_figure(f"into a {form} file, as a multiple of the script", ratio, "x", Better.MORE)


def _run_script(payload: Payload) -> float:
    with tempfile.TemporaryDirectory() as directory:
        started = time.perf_counter()
        with Path(directory, "plain.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(Balance._fields)
            writer.writerows([*row[:2], *(f"{cents / 100:.2f}" for cents in row[2:])] for row in payload.balances)
        return ROWS / (time.perf_counter() - started)


def _run_sink(payload: Payload, form: FileFormat) -> float:
    with tempfile.TemporaryDirectory() as directory:
        sink = Files(Path(directory), form, 60.0, keeps_all_snapshots=False)
        started = time.perf_counter()
        sink.write(payload, "d1")
        return ROWS / (time.perf_counter() - started)
