from docs.state_diagram import find_edges


def test_only_a_verified_pull_is_published() -> None:
    assert [labels for (_, target), labels in find_edges().items() if target == "publish"] == [{"proved"}]
