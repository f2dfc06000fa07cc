import os
from pathlib import Path

import pytest
from _pytest.terminal import TerminalReporter

from tests.fleet.figures import PROPERTY, Figure, FigureRecorder, render_figures, write_figures

FIGURES_FILE = "ODDAEMON_FLEET_FIGURES"
"""The variable that names the file for the figures."""


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> FigureRecorder:
    """Takes the figures of the test."""
    return FigureRecorder(request.node.user_properties)


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Show the figures of all tests, of whichever process they ran in."""
    reports = [each for outcome in ("passed", "failed") for each in terminalreporter.getreports(outcome)]
    found = [
        Figure(*value)
        for report in reports
        if report.when == "call"
        for name, value in report.user_properties
        if name == PROPERTY
    ]
    if not found:
        return
    terminalreporter.section("figures of the fleet")
    terminalreporter.write(render_figures(found))
    if FIGURES_FILE in os.environ:
        write_figures(found, Path(os.environ[FIGURES_FILE]))
