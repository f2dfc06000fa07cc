"""Tests pass whatever the login and the place of the checkout are called."""

import os
from pathlib import Path

SOCKET_PATH_BYTES_MAX = 107
"""Linux, unix(7)."""


def test_a_socket_of_any_test_has_room_under_its_directory(tmp_path: Path) -> None:
    socket = tmp_path / "state" / "state.db.sock"
    assert len(os.fsencode(socket)) <= SOCKET_PATH_BYTES_MAX, f"{socket}: set PYTEST_DEBUG_TEMPROOT"
