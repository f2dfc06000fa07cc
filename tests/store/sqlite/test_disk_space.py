import pytest

from oddaemon.store.sqlite.disk_space import format_size


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (28_695, "28.7 kB"),
        (999_960, "1.0 MB"),
        (12_345_678, "12.3 MB"),
        (1_234_500_000_000, "1,234.5 GB"),
    ],
)
def test_a_size_has_a_fitting_unit(size_bytes: int, text: str) -> None:
    assert format_size(size_bytes) == text
