"""A sample of the campaign of `make fuzz`, the same each time."""

from collections import Counter

from tests.hostile.campaign import FLAT_BYTES_MAX, Share, ShareResult, describe_result, is_clean, play_share


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
    found = ShareResult(Counter({("api", True): 20}), ["api: KeyError"], Counter(api=7), 0, FLAT_BYTES_MAX)
    assert "7 escapes, 1 quarantines, memory flat" in "\n".join(describe_result(found, 2.0))
    assert not is_clean(found)
    assert not is_clean(ShareResult(end_bytes=FLAT_BYTES_MAX + 1))
    assert is_clean(ShareResult(end_bytes=FLAT_BYTES_MAX))
