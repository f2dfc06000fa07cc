import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from oddaemon.simulator.virtual_time import make_virtual_loop
from tests.certificates import make_certificate
from tests.golden import GoldenTexts, get_golden_file

# The same examples every time, so that a red test is a changed program; HYPOTHESIS_PROFILE=explore looks further.
settings.register_profile("steady", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell lets what it starts in the background ignore Ctrl-C, and the programs that tests start would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)

MEMORY = Path("/dev/shm")
BYTES_MIN = 2**30
"""Twice what the quick tier leaves there."""

REAL_FLOORS = {
    "browser": "needs Chromium",
    "disk": "needs a file system of its own",
    "mariadb": "needs MariaDB",
}
"""Folders in which every test needs the real thing."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        floor = item.path.relative_to(Path(__file__).parent).parts[0]
        if floor in REAL_FLOORS:
            item.add_marker(pytest.mark.real(REAL_FLOORS[floor]))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record-golden", action="store_true", help="write golden/*.txt again, in one process")


def pytest_configure(config: pytest.Config) -> None:
    """Choose where tests write. The quick tier writes into memory: most of its time would be fsync.

    pytest names the directory after the login, which may be long; the path of a socket has 107 bytes at most.
    """
    os.environ["LOGNAME"] = str(os.getuid())
    if "not real" in config.getoption("markexpr") and can_hold_files(MEMORY):
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def can_hold_files(directory: Path) -> bool:
    """Whether tests can write there, as much as they need, and start what they have written."""
    try:
        found = os.statvfs(directory)
    except OSError:
        return False
    executable = not found.f_flag & os.ST_NOEXEC
    return executable and os.access(directory, os.W_OK) and found.f_bavail * found.f_frsize > BYTES_MIN


@pytest.fixture
def anyio_backend(request: pytest.FixtureRequest) -> str | tuple[str, dict[str, Any]]:
    """The event loop of a test: asyncio's own, or the one that its mark names."""
    mark = request.node.get_closest_marker("event_loop")
    return "asyncio" if mark is None else ("asyncio", {"loop_factory": mark.kwargs["factory"]})


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Iterator[GoldenTexts]:
    """The recorded sentences of the test; directories of the test are replaced in what it says."""
    changing = {"DIR": str(request.getfixturevalue("tmp_path"))} if "tmp_path" in request.fixturenames else {}
    recording = request.config.getoption("--record-golden")
    texts = GoldenTexts(get_golden_file(request.path), request.node.name, changing, recording=recording)
    yield texts
    texts.finish()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a self-signed certificate of 127.0.0.1 and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl command to make a certificate")
    directory = tmp_path_factory.mktemp("tls")
    make_certificate(directory)
    return directory


@pytest.fixture
def virtual_time() -> tuple[str, dict[str, Any]]:
    """A backend on which a night takes no time; the `anyio_backend` of a module or folder returns it."""
    return "asyncio", {"loop_factory": make_virtual_loop}
