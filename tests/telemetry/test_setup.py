import json
import logging
import os
import pty
import re
import select
import threading
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from oddaemon.telemetry import events
from oddaemon.telemetry.events.base import Level
from oddaemon.telemetry.logging.writer import LineWriter
from oddaemon.telemetry.setup import open_process_telemetry
from tests.golden import GoldenTexts

NOW = datetime(2026, 3, 8, 7, 0, tzinfo=UTC)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    for descriptor in (reader, writer):
        try:
            os.close(descriptor)
        except OSError:
            continue


def read_all(reader: int) -> str:
    with os.fdopen(os.dup(reader), encoding="utf-8") as stream:
        return stream.read()


def test_lines_reach_the_descriptor_whole_and_in_order(pipe: tuple[int, int]) -> None:
    reader, descriptor = pipe
    writer = LineWriter(descriptor)
    for number in range(1000):
        writer.write(f"line {number} é")
    writer.close()
    os.close(descriptor)
    assert read_all(reader).splitlines() == [f"line {number} é" for number in range(1000)]
    assert writer.count_lost() == 0


def test_a_broken_pipe_costs_lines_and_nothing_else(pipe: tuple[int, int]) -> None:
    reader, descriptor = pipe
    os.close(reader)
    with open_process_telemetry(now=lambda: NOW, version="0.1.0", descriptor=descriptor) as telemetry:
        for _ in range(3):
            telemetry.emit(events.OfficeStarted("mesa"))
    telemetry.emit(events.OfficeStarted("mesa"))
    [lost_count] = re.findall(rb"^oddaemon_log_lines_lost_total (\S+)$", telemetry.render(()).body, re.MULTILINE)
    # Three events, and perhaps notices of lines lost before, which were lost too.
    assert float(lost_count) >= 3


def test_a_stalled_reader_blocks_no_writer(pipe: tuple[int, int]) -> None:
    reader, descriptor = pipe
    writer = LineWriter(descriptor, queued_lines_max=2)
    line = "x" * 70_000
    for _ in range(5):
        writer.write(line)
    assert writer.count_lost() >= 2
    taken: list[str] = []
    draining = threading.Thread(target=lambda: taken.append(read_all(reader)))
    draining.start()
    writer.close()
    os.close(descriptor)
    draining.join()
    assert taken[0].splitlines() == [line] * (5 - writer.count_lost())


def test_a_descriptor_that_does_not_block_still_gets_whole_lines(pipe: tuple[int, int]) -> None:
    reader, descriptor = pipe
    os.set_blocking(descriptor, False)
    writer = LineWriter(descriptor)
    line = "x" * 300_000
    taken: list[str] = []
    draining = threading.Thread(target=lambda: taken.append(read_all(reader)))
    writer.write(line)
    draining.start()
    writer.close()
    os.close(descriptor)
    draining.join()
    assert taken == [line + "\n"]


def test_output_is_json_where_there_is_no_terminal(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with (
        log.open("w") as file,
        open_process_telemetry(now=lambda: NOW, version="0.1.0", descriptor=file.fileno()) as telemetry,
    ):
        telemetry.emit(events.OfficeStarted("mesa"))
    assert json.loads(log.read_text())["event"] == "office_started"


def test_output_is_for_people_on_a_terminal() -> None:
    ours, theirs = pty.openpty()
    try:
        with open_process_telemetry(now=lambda: NOW, version="0.1.0", descriptor=theirs) as telemetry:
            telemetry.emit(events.OfficeStarted("mesa"))
        assert select.select([ours], [], [], 5)[0]
        shown = os.read(ours, 10_000)
    finally:
        os.close(ours)
        os.close(theirs)
    assert b"office_started" in shown
    assert not shown.startswith(b"{")


def test_libraries_speak_through_the_same_lines(tmp_path: Path, golden: GoldenTexts) -> None:
    log = tmp_path / "log"
    with (
        log.open("w") as file,
        open_process_telemetry(
            now=lambda: NOW, version="0.1.0", level=Level.DEBUG, descriptor=file.fileno()
        ) as telemetry,
    ):
        telemetry.add_secrets(["hunter2"])
        library = logging.getLogger("some.library")
        library.info("GET https://api.example/x?key=1")
        library.warning("Retrying %s with %s", "https://me:pw@api.example/x?key=1", "hunter2")
        library.critical("%d is no number", "hunter2")
        try:
            int("370.00")
        except ValueError:
            library.exception("It failed.")
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("Old habit.", DeprecationWarning, stacklevel=1)
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(line["event"], line["level"]) for line in entries] == [
        ("library_message", "warning"),
        ("library_message", "error"),
        ("library_message", "error"),
        ("library_message", "warning"),
    ]
    assert entries[0]["library"] == "some.library"
    golden.check(entries[0]["message"])
    golden.check(entries[1]["message"])
    assert entries[2]["traceback"].endswith("ValueError (its message is withheld: it may hold data)")
    assert "Old habit." in entries[3]["message"]
    assert "hunter2" not in log.read_text()
    assert "370.00'" not in log.read_text()


def test_logging_is_afterwards_as_it_was_before(tmp_path: Path) -> None:
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    with (tmp_path / "log").open("w") as file:
        with open_process_telemetry(now=lambda: NOW, version="0.1.0", descriptor=file.fileno()):
            assert root.handlers != before[0]
        assert (root.handlers, root.level) == before


def test_the_process_exports_its_own_metrics(tmp_path: Path) -> None:
    with (
        (tmp_path / "log").open("w") as file,
        open_process_telemetry(now=lambda: NOW, version="0.1.0", descriptor=file.fileno()) as telemetry,
    ):
        body = telemetry.render(()).body
    assert b"process_resident_memory_bytes" in body
    assert b"python_info" in body


def test_a_message_that_a_library_repeats_is_logged_once_and_counted(
    pipe: tuple[int, int], golden: GoldenTexts
) -> None:
    reader, descriptor = pipe
    with open_process_telemetry(now=lambda: NOW, version="0.1.0", descriptor=descriptor) as telemetry:
        for number in range(500):
            logging.getLogger("asyncio").error("socket.accept() out of system resource\nsocket: %s", number)
        logging.getLogger("asyncio").error("Task exception was never retrieved")
        metrics = telemetry.render(()).body.decode()
    os.close(descriptor)
    assert 'oddaemon_events_total{event="library_message"} 501.0' in metrics
    golden.check([json.loads(line)["message"].split("\n")[0] for line in read_all(reader).splitlines()])
