"""A sample of the campaign of `make fuzz`, the same each time."""

from collections import Counter

import pytest

from tests.hostile.campaign import FLAT_BYTES_MAX, Share, ShareResult, describe_result, is_clean, play_share

MEBIBYTE = 2**20


def test_no_answer_of_a_peer_escapes_its_client_plain_or_over_tls() -> None:
    result = play_share(Share(first=0, step=1, answers=12, seconds=120.0, seed=20260308))
    assert result.escapes == []
    assert result.answers.total() == 4 * 12
    assert set(result.answers) == {
        (client, is_tls) for client in ("api", "webhook", "ping", "postgres") for is_tls in (False, True)
    }
    assert is_clean(result)


def test_a_campaign_that_is_out_of_time_ends() -> None:
    assert play_share(Share(first=0, step=1, answers=10**6, seconds=0.0, seed=1)).answers.total() == 0


def test_escapes_and_memory_decide() -> None:
    flat = ShareResult(Counter({("api", True): 20}), ["api: KeyError"], Counter(api=7), [MEBIBYTE] * 9)
    assert "7 escapes, 1 quarantines, memory flat" in "\n".join(describe_result(flat, 2.0))
    assert not is_clean(flat)


@pytest.mark.parametrize(
    ("samples", "grown"),
    [
        ([], 0),
        ([MEBIBYTE, 99 * MEBIBYTE], 0),
        ([50 * MEBIBYTE, 58 * MEBIBYTE, 50 * MEBIBYTE] * 3, 0),
        ([number * MEBIBYTE for number in range(12)], 8 * MEBIBYTE),
        ([number * 2 * MEBIBYTE for number in range(12)], 16 * MEBIBYTE),
    ],
    ids=["nothing", "too few", "up and down", "a little", "a leak"],
)
def test_a_leak_is_distinguished_from_a_peak(samples: list[int], grown: int) -> None:
    result = ShareResult(samples=samples)
    assert (result.grown_bytes, is_clean(result)) == (grown, grown <= FLAT_BYTES_MAX)
