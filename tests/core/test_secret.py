import copy
import pickle

import pytest

from oddaemon.core.secret import MASK, Secret

SECRET = Secret("Hb3nY8sVd5FqXg1J")


def test_a_secret_is_revealed_on_request_only() -> None:
    assert SECRET.reveal() == "Hb3nY8sVd5FqXg1J"
    assert SECRET.reveal() not in f"{SECRET} {SECRET!r} {SECRET:>30}"


def test_secrets_are_compared_by_value() -> None:
    assert Secret(SECRET.reveal()) == SECRET
    assert hash(SECRET) == hash(Secret(SECRET.reveal()))
    assert SECRET.reveal() != SECRET


def test_a_secret_is_masked_in_text_and_in_bytes() -> None:
    assert SECRET.mask(f"key {SECRET.reveal()}!") == f"key {MASK}!"
    assert SECRET.mask_bytes(b"key Hb3nY8sVd5FqXg1J!") == f"key {MASK}!".encode()


def test_a_copy_is_the_same_secret_and_a_pickle_is_refused() -> None:
    assert copy.copy(SECRET) is copy.deepcopy(SECRET) is SECRET
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(SECRET)
